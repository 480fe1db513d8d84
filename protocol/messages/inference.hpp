#pragma once
// The way of a request between gateway and worker. `infer` and `output_chunk` are content.
#include "protocol/messages/group.hpp"

namespace mayfly::messages {

/// Numeric sampling parameters: metadata. Meaning and ranges as in gpu/engine.hpp.
struct sampling {
  float temperature = 1.0F;
  float top_p = 1.0F;
  std::int32_t top_k = 0;
  float min_p = 0.0F;
  float repetition_penalty = 1.0F;
  float frequency_penalty = 0.0F;
  float presence_penalty = 0.0F;
  std::optional<std::uint64_t> seed;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  std::uint32_t max_tokens = 0; ///< 0: what the context leaves
  bool ignore_eos = false;
  static constexpr auto fields = field_list(
      field{1, "temperature", &sampling::temperature}, field{2, "top_p", &sampling::top_p},
      field{3, "top_k", &sampling::top_k}, field{4, "min_p", &sampling::min_p},
      field{5, "repetition_penalty", &sampling::repetition_penalty},
      field{6, "frequency_penalty", &sampling::frequency_penalty},
      field{7, "presence_penalty", &sampling::presence_penalty}, field{8, "seed", &sampling::seed},
      field{9, "logprobs", &sampling::logprobs}, field{10, "top_logprobs", &sampling::top_logprobs},
      field{11, "max_tokens", &sampling::max_tokens}, field{12, "ignore_eos", &sampling::ignore_eos});
};

enum class chat_role : std::uint8_t { system = 0, user = 1, assistant = 2, developer = 3, tool = 4 };

struct chat_message {
  chat_role role = chat_role::user;
  ephemeral_text content;
  ephemeral_text author; ///< OpenAI's `name`; may be empty
  static constexpr auto fields =
      field_list(field{1, "role", &chat_message::role}, field{2, "content", &chat_message::content},
                 field{3, "author", &chat_message::author});
};

/// One entry of logit_bias: which tokens a client pushes is content.
struct bias_entry {
  std::int32_t token = 0;
  float bias = 0;
};

enum class prompt_kind : std::uint8_t { chat = 0, text = 1, tokens = 2 };

/// Gateway -> worker: one choice of one request. The worker alone applies the template and tokenises.
struct infer {
  request_id request;
  std::uint32_t choice = 0;
  name model;
  account_id account;
  std::int32_t priority = 0;
  std::chrono::milliseconds time_left{
      0};                   ///< until the lease's deadline; the worker ends and wipes by its own clock
  std::uint32_t credit = 0; ///< output chunks the gateway takes before a `credit`
  prompt_kind kind = prompt_kind::chat;
  std::vector<chat_message> messages; ///< kind chat
  ephemeral_text prompt;              ///< kind text
  ephemeral_tokens prompt_tokens;     ///< kind tokens
  std::vector<ephemeral_text> stop;   ///< at most 4
  ephemeral_buffer<bias_entry> bias;
  sampling parameters;
  bool echo = false; ///< /v1/completions: the prompt's text comes back first
  static constexpr auto fields =
      field_list(field{1, "request", &infer::request}, field{2, "choice", &infer::choice},
                 field{3, "model", &infer::model}, field{4, "account", &infer::account},
                 field{5, "priority", &infer::priority}, field{6, "time_left", &infer::time_left},
                 field{7, "credit", &infer::credit}, field{8, "kind", &infer::kind},
                 field{9, "messages", &infer::messages}, field{10, "prompt", &infer::prompt},
                 field{11, "prompt_tokens", &infer::prompt_tokens}, field{12, "stop", &infer::stop},
                 field{13, "bias", &infer::bias}, field{14, "parameters", &infer::parameters},
                 field{15, "echo", &infer::echo});
};

/// Worker -> gateway: taken, or refused with `code` (overloaded, model_not_found, context_length_exceeded,
/// draining, ...; `limit` is the context in tokens where that is the matter). An accepted one makes the
/// worker a holder of the lease, and the other ranks of its group with it.
struct admission {
  request_id request;
  std::uint32_t choice = 0;
  std::uint16_t code = 0; ///< errc; 0 is accepted
  std::uint32_t limit = 0;
  std::uint32_t prompt_tokens = 0;
  std::vector<node_id> ranks{}; ///< beside the worker itself
  static constexpr auto fields =
      field_list(field{1, "request", &admission::request}, field{2, "choice", &admission::choice},
                 field{3, "code", &admission::code}, field{4, "limit", &admission::limit},
                 field{5, "prompt_tokens", &admission::prompt_tokens}, field{6, "ranks", &admission::ranks});
};

/// A token as text, for the gateway has no vocabulary, with its natural log probability.
struct weighed_token {
  ephemeral_text text; ///< the token's bytes; may be a part of a UTF-8 sequence
  float logprob = 0;
  static constexpr auto fields =
      field_list(field{1, "text", &weighed_token::text}, field{2, "logprob", &weighed_token::logprob});
};

/// A generated token and the likeliest alternatives at its place, best first.
struct token_logprob {
  weighed_token chosen;
  std::vector<weighed_token> top;
  static constexpr auto fields =
      field_list(field{1, "chosen", &token_logprob::chosen}, field{2, "top", &token_logprob::top});
};

/// Worker -> gateway: text that is ready for the client. Costs one credit.
struct output_chunk {
  request_id request;
  std::uint32_t choice = 0;
  std::uint32_t sequence = 0; ///< 0, 1, 2, ... within the choice
  std::uint32_t tokens = 0;   ///< generated tokens this chunk stands for
  ephemeral_text text;
  std::vector<token_logprob> logprobs;
  static constexpr auto fields =
      field_list(field{1, "request", &output_chunk::request}, field{2, "choice", &output_chunk::choice},
                 field{3, "sequence", &output_chunk::sequence}, field{4, "tokens", &output_chunk::tokens},
                 field{5, "text", &output_chunk::text}, field{6, "logprobs", &output_chunk::logprobs});
};

/// Gateway -> worker: the client's socket took chunks; as many more may come.
struct credit {
  request_id request;
  std::uint32_t choice = 0;
  std::uint32_t chunks = 0;
  static constexpr auto fields =
      field_list(field{1, "request", &credit::request}, field{2, "choice", &credit::choice},
                 field{3, "chunks", &credit::chunks});
};

/// Gateway -> worker: end every choice of this request now, wipe, report `finished`.
struct cancel {
  request_id request;
  static constexpr auto fields = field_list(field{1, "request", &cancel::request});
};

enum class finish_reason : std::uint8_t { none = 0, stop = 1, length = 2, cancelled = 3, failed = 4 };

/// Worker -> gateway: the choice ended and all the worker held of it is wiped; so did the ranks that are
/// named. A rank that is not named reports its wipe to retention itself, or its end does.
struct finished {
  request_id request;
  std::uint32_t choice = 0;
  finish_reason reason = finish_reason::none;
  std::uint16_t code = 0; ///< errc where reason is failed
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;
  std::uint64_t wiped_bytes = 0;
  std::int64_t wiped_at_unix_ms = 0;
  std::chrono::microseconds queued{0};
  std::chrono::microseconds prefill{0};
  std::chrono::microseconds decode{0};
  std::vector<rank_wipe> ranks{};
  static constexpr auto fields =
      field_list(field{1, "request", &finished::request}, field{2, "choice", &finished::choice},
                 field{3, "reason", &finished::reason}, field{4, "code", &finished::code},
                 field{5, "prompt_tokens", &finished::prompt_tokens},
                 field{6, "completion_tokens", &finished::completion_tokens},
                 field{7, "wiped_bytes", &finished::wiped_bytes},
                 field{8, "wiped_at_unix_ms", &finished::wiped_at_unix_ms},
                 field{9, "queued", &finished::queued}, field{10, "prefill", &finished::prefill},
                 field{11, "decode", &finished::decode}, field{12, "ranks", &finished::ranks});
};

} // namespace mayfly::messages
