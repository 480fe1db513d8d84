#pragma once
// The engine as actors see it: token ids in, token ids out. One engine runs one model on one backend; it is
// driven by one thread, which calls `submit`, `grant`, `cancel` and `step` in turn. It starts no request that
// it cannot finish: KV blocks that run out preempt the youngest sequence, which is computed again later.
#include "gpu/formats/model_file.hpp"
#include "gpu/kernels/device_choice.hpp"
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::gpu {

/// One entry of a request's logit_bias: added to the token's logit before sampling.
struct logit_bias {
  token_id token = 0;
  float bias = 0;
};

/// Numeric sampling parameters, with OpenAI's meaning where OpenAI has it. They are metadata; `bias` is not.
struct sampling_parameters {
  float temperature = 1.0F;        ///< 0: greedy
  float top_p = 1.0F;              ///< (0, 1]
  std::int32_t top_k = 0;          ///< 0: off
  float min_p = 0.0F;              ///< [0, 1]
  float repetition_penalty = 1.0F; ///< > 0; prompt and output (Keskar et al., CTRL, 2019)
  float frequency_penalty = 0.0F;  ///< [-2, 2], output only
  float presence_penalty = 0.0F;   ///< [-2, 2], output only
  std::optional<std::uint64_t> seed;
  bool logprobs = false;          ///< report the log probability of each token ...
  std::uint32_t top_logprobs = 0; ///< ... and of this many alternatives (0-20), before any sampling parameter
};

enum class finish_reason : std::uint8_t { none = 0, stop = 1, length = 2, cancelled = 3, failed = 4 };

struct sequence_request {
  ephemeral_tokens prompt; ///< at least one token
  sampling_parameters sampling;
  ephemeral_buffer<logit_bias> bias;
  std::uint32_t max_tokens = 16;     ///< generated tokens, at least 1
  ephemeral_tokens stop_tokens;      ///< end of sequence; generated, never reported
  bool ignore_stop_tokens = false;   ///< benchmarks: always run to max_tokens
  std::uint64_t account = 0;         ///< fairness: accounts share a step's tokens evenly
  std::int32_t priority = 0;         ///< higher goes first
  std::uint32_t credit = UINT32_MAX; ///< tokens it may generate before a `grant`
};

using sequence_handle = std::uint64_t;

struct token_probability {
  token_id token = 0;
  float logprob = 0; ///< natural logarithm
};

/// What a step made for one sequence. `token` counts unless finish is `stop`, `cancelled` or `failed`.
struct sequence_event {
  sequence_handle sequence = 0;
  bool has_token = false;
  token_probability token;
  ephemeral_buffer<token_probability> top; ///< best first; empty unless asked for
  finish_reason finish = finish_reason::none;
  error failure{errc::ok, "", 0}; ///< set with finish_reason::failed
  std::size_t wiped_bytes = 0;    ///< with any finish: KV, tokens and sampler state, already zeroed
};

class seat;
class followers;

/// Which share of a model an engine computes: all of it, or one rank's of a tensor-parallel group. group.hpp
/// tells the rest.
struct tensor_parallel {
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
  std::shared_ptr<seat> group;       ///< null where there is one rank alone
  std::shared_ptr<followers> others; ///< at rank 0 of a group
};

struct engine_options {
  model_file model;     ///< GGUF
  device_choice device; ///< ranks of a group take CUDA devices where NCCL is there to sum over them
  tensor_parallel part;
  std::uint32_t context_tokens = 0; ///< a sequence's limit; 0: the model's own
  std::size_t kv_bytes =
      0; ///< KV cache of all ranks together; 0: room for two full contexts, at most 512 MiB
  std::uint32_t block_tokens = 16;
  std::uint32_t max_sequences = 64; ///< that advance in one step
  std::uint32_t max_queued = 256;   ///< admitted beyond those; more is refused with `overloaded`
  std::uint32_t step_tokens = 256;  ///< tokens a step: decode first, the rest is chunked prefill
  /// The chunk's bound where others decode in the same step: they wait for it, between two of their tokens.
  std::uint32_t prefill_tokens_beside_decode = 64;
  unsigned threads = 0; ///< 0: the processors this process may use
};

struct engine_figures {
  std::uint32_t running = 0; ///< sequences that hold KV blocks
  std::uint32_t waiting = 0;
  std::uint32_t kv_blocks = 0;
  std::uint32_t kv_blocks_free = 0;
  std::uint32_t kv_block_tokens = 0;
  std::uint64_t prefill_tokens = 0; ///< since the start, as all below
  std::uint64_t decode_tokens = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t steps = 0;
  std::size_t weight_bytes = 0; ///< of this rank
  std::size_t kv_bytes = 0;     ///< reserved by this rank
  /// Of the device that holds both; 0: they lie in the host's memory.
  std::uint64_t device_bytes = 0;
  /// What the ranks of a group must agree on: the model file's tensors, and a step's tokens.
  std::uint64_t model_fingerprint = 0;
  std::uint32_t step_tokens = 0;
};

class engine {
public:
  virtual ~engine() = default;

  /// Errors: io, malformed, unsupported, truncated, out_of_memory, configuration.
  static result<std::unique_ptr<engine>> load(engine_options const& options);

  /// Queues a sequence. Errors: overloaded (queues full), context_length_exceeded (prompt leaves no room for
  /// a token, or would never fit the KV cache; `number` is the limit in tokens), invalid_request (empty
  /// prompt, token outside the vocabulary, parameter out of range).
  virtual result<sequence_handle> submit(sequence_request request) = 0;

  /// Lets a sequence generate `tokens` more. Without credit it keeps its place and waits. Unknown handles are
  /// ignored: a grant may cross the end of its sequence.
  virtual void grant(sequence_handle sequence, std::uint32_t tokens) = 0;

  /// Ends a sequence and wipes all it held before returning; no event follows. Returns the wiped bytes, 0 for
  /// an unknown handle.
  virtual std::size_t cancel(sequence_handle sequence) = 0;

  /// True if `step` would advance something.
  virtual bool has_work() const noexcept = 0;

  /// Advances every runnable sequence: one token each in decode, a chunk in prefill. Events stay valid until
  /// the next call. Where the backend fails, every sequence ends, wiped, with a `failed` event
  /// (backend_failed).
  virtual std::span<sequence_event> step() = 0;

  /// Erases scratch that outlives steps; call when idle and before reporting a wipe.
  virtual void scrub() = 0;
  /// False where the device failed a wipe: what it held of ended sequences may lie there still, and nobody
  /// may be told otherwise. The end of the process erases it.
  virtual bool wiped() const noexcept = 0;

  virtual engine_figures figures() const noexcept = 0;
  virtual std::uint32_t vocabulary_size() const noexcept = 0;
  virtual std::uint32_t context_tokens() const noexcept = 0;
  virtual literal backend_name() const noexcept = 0;
};

} // namespace mayfly::gpu
