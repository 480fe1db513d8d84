#include "actors/api/answer.hpp"
#include "actors/api/listing.hpp"
#include "actors/api/logprobs.hpp"
#include "actors/api/refusal.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors::api;
using mayfly::messages::finish_reason;

namespace {

request_id const id{{0xABC}, 0xDEF};
answer_head const head{id, 1700000000};
std::string const id_text = "0000000000000abc0000000000000def";

response_shape shape_of(endpoint kind) {
  response_shape shape;
  shape.kind = kind;
  shape.model = *name::parse("tiny");
  return shape;
}

messages::weighed_token weighed(std::string_view text, float logprob) {
  return {ephemeral_text(text), logprob};
}

messages::output_chunk chunk_of(std::string_view text) {
  messages::output_chunk made;
  made.text = ephemeral_text(text);
  made.tokens = 1;
  return made;
}

choice_answer gathered(std::vector<std::string> const& texts) {
  choice_answer made;
  for (auto const& text : texts)
    made.chunks.push_back(std::make_shared<messages::output_chunk const>(chunk_of(text)));
  made.finish = finish_reason::length;
  made.prompt_tokens = 5;
  made.completion_tokens = static_cast<std::uint32_t>(texts.size());
  return made;
}

template <class Write>
std::string written(Write write) {
  ephemeral_text out;
  write(out);
  return std::string(out.reveal());
}

} // namespace

TEST_CASE("a chat completion has OpenAI's shape") {
  std::vector<choice_answer> choices;
  choices.push_back(gathered({"Hel", "lo"}));
  auto const text =
      written([&](ephemeral_text& out) { write_answer(out, head, shape_of(endpoint::chat), choices); });
  CHECK(text ==
        R"({"id":"chatcmpl-)" + id_text +
            R"(","object":"chat.completion","created":1700000000,"model":"tiny","system_fingerprint":null,)"
            R"("choices":[{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null},)"
            R"("logprobs":null,"finish_reason":"length"}],)"
            R"("usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}})");
}

TEST_CASE("a text completion has OpenAI's shape") {
  std::vector<choice_answer> choices;
  choices.push_back(gathered({"a"}));
  choices.push_back(gathered({"b"}));
  auto shape = shape_of(endpoint::completion);
  shape.choices = shape.choices_per_prompt = 2;
  auto const text = written([&](ephemeral_text& out) { write_answer(out, head, shape, choices); });
  CHECK(text ==
        R"({"id":"cmpl-)" + id_text +
            R"(","object":"text_completion","created":1700000000,"model":"tiny","system_fingerprint":null,)"
            R"("choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":"length"},)"
            R"({"index":1,"text":"b","logprobs":null,"finish_reason":"length"}],)"
            R"("usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}})");
}

TEST_CASE("a chat stream's chunks have OpenAI's shape") {
  auto const shape = shape_of(endpoint::chat);
  std::string const begin =
      R"({"id":"chatcmpl-)" + id_text +
      R"(","object":"chat.completion.chunk","created":1700000000,"model":"tiny","system_fingerprint":null,"choices":[)";
  choice_answer so_far;
  CHECK(written([&](ephemeral_text& out) { write_role_chunk(out, head, shape, 1); }) ==
        begin + R"({"index":1,"delta":{"role":"assistant","content":"","refusal":null},)"
                R"("logprobs":null,"finish_reason":null}]})");
  CHECK(written([&](ephemeral_text& out) { write_text_chunk(out, head, shape, chunk_of("x\n"), so_far); }) ==
        begin + R"({"index":0,"delta":{"content":"x\n"},"logprobs":null,"finish_reason":null}]})");
  CHECK(written([&](ephemeral_text& out) { write_finish_chunk(out, head, shape, 0, finish_reason::stop); }) ==
        begin + R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]})");
}

TEST_CASE("with include_usage every chunk has a null usage and the last one the sums") {
  auto shape = shape_of(endpoint::completion);
  shape.include_usage = true;
  choice_answer so_far;
  CHECK(written([&](ephemeral_text& out) { write_text_chunk(out, head, shape, chunk_of("x"), so_far); })
            .ends_with(
                R"("choices":[{"index":0,"text":"x","logprobs":null,"finish_reason":null}],"usage":null})"));
  CHECK(written([&](ephemeral_text& out) {
          write_usage_chunk(out, head, shape, {3, 4});
        }).ends_with(R"("choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})"));
}

TEST_CASE("chat log probabilities carry bytes, and name those that are no text") {
  auto shape = shape_of(endpoint::chat);
  shape.logprobs = true;
  messages::token_logprob token;
  token.chosen = weighed("\xE2\x82", -0.5F);
  token.top.push_back(weighed("a", -1.5F));
  auto chunk = chunk_of("");
  chunk.logprobs.push_back(std::move(token));
  choice_answer so_far;
  auto const text = written([&](ephemeral_text& out) { write_text_chunk(out, head, shape, chunk, so_far); });
  CHECK(text.find(R"("logprobs":{"content":[{"token":"bytes:\\xe2\\x82","logprob":-0.5,"bytes":[226,130],)"
                  R"("top_logprobs":[{"token":"a","logprob":-1.5,"bytes":[97]}]}],"refusal":null})") !=
        std::string::npos);
}

TEST_CASE("completions' log probabilities are columns, with offsets in characters") {
  auto shape = shape_of(endpoint::completion);
  shape.logprobs = true;
  shape.top_logprobs = 1;
  choice_answer so_far;
  auto const one = [&](std::string_view text) {
    auto chunk = chunk_of(text);
    messages::token_logprob token;
    token.chosen = weighed(text, -0.25F);
    token.top.push_back(weighed("z", -0.125F));
    chunk.logprobs.push_back(std::move(token));
    return written([&](ephemeral_text& out) { write_text_chunk(out, head, shape, chunk, so_far); });
  };
  CHECK(one("\xC3\xA9")
            .find(R"("logprobs":{"tokens":["é"],"token_logprobs":[-0.25],)"
                  R"("top_logprobs":[{"z":-0.125,"é":-0.25}],"text_offset":[0]})") != std::string::npos);
  CHECK(one("b").find(R"("text_offset":[1])") != std::string::npos);
}

TEST_CASE("a refusal has OpenAI's error shape") {
  CHECK(
      written(
          [](ephemeral_text& out) { write_refusal(out, refuse_field("invalid_value", "n", "is odd.")); }) ==
      R"({"error":{"message":"'n' is odd.","type":"invalid_request_error","param":"n","code":"invalid_value"}})");
  auto const overloaded = refuse(error{errc::overloaded, "queues are full", 3});
  CHECK(overloaded.retry_seconds == 3);
  CHECK(status_of(overloaded.code) == 429);
  CHECK(type_of(overloaded.code) == literal("rate_limit_error"));
}

TEST_CASE("every code of the cluster has a status and is never an accident of ours without being one") {
  CHECK(status_of(errc::no_worker) == 503);
  CHECK(status_of(errc::worker_lost) == 502);
  CHECK(status_of(errc::deadline_exceeded) == 504);
  CHECK(status_of(errc::draining) == 503);
  CHECK(status_of(errc::context_length_exceeded) == 400);
  CHECK(status_of(errc::malformed) == 500);
}

TEST_CASE("completion ids read back, with or without what stands before them") {
  CHECK(*parse_completion_id(completion_id(endpoint::chat, id)) == id);
  CHECK(*parse_completion_id(completion_id(endpoint::completion, id)) == id);
  CHECK(*parse_completion_id(id.text()) == id);
  CHECK_FALSE(parse_completion_id("chatcmpl-").has_value());
  CHECK_FALSE(parse_completion_id("foo-" + id.text()).has_value());
}

TEST_CASE("a receipt reads back as it was written") {
  messages::receipt_answer answer;
  answer.request = id;
  answer.state = messages::receipt_state::final;
  answer.head_counter = 4;
  auto& receipt = answer.receipt.emplace();
  receipt.body.request = id;
  receipt.body.model = *name::parse("tiny");
  receipt.body.confirmed = true;
  receipt.body.holders.push_back({{7}, 1, messages::wipe_state::exited, 1024, 1700000000123});
  receipt.body.counter = UINT64_MAX;
  receipt.body.signer[0] = std::byte{0xA5};
  receipt.signature[63] = std::byte{0x5A};
  auto const text = written([&](ephemeral_text& out) { write_receipt(out, answer); });
  CHECK(text.find(R"("state":"exited")") != std::string::npos);
  auto const read = parse_receipt(text);
  REQUIRE(read.has_value());
  CHECK(read->body.counter == UINT64_MAX);
  CHECK(read->body.holders.at(0).state == messages::wipe_state::exited);
  CHECK(read->body.holders[0].holder.value == 7);
  CHECK(read->body.signer == receipt.body.signer);
  CHECK(read->signature == receipt.signature);
  CHECK_FALSE(parse_receipt(R"({"receipt":{"body":{},"signature":""}})").has_value());
  CHECK_FALSE(parse_receipt("{}").has_value());
}

TEST_CASE("aliases stand in the model list as models, naming what they are") {
  auto const catalogue = *model_catalogue::make(
      {{*name::parse("tiny"), {*name::parse("small")}, 256, 17, *name::parse("mayfly"), true}});
  CHECK(
      written([&](ephemeral_text& out) { write_models(out, catalogue, {}); }) ==
      R"({"object":"list","data":[{"id":"tiny","object":"model","created":17,"owned_by":"mayfly","root":"tiny",)"
      R"("context_tokens":256,"demonstration":true},{"id":"small","object":"model","created":17,)"
      R"("owned_by":"mayfly","root":"tiny","context_tokens":256,"demonstration":true}]})");
}

TEST_CASE("a model's context is what its workers have, else what is configured, and else left out") {
  auto const tiny = *name::parse("tiny");
  auto const catalogue =
      *model_catalogue::make({{tiny, {}, 256, 17, *name::parse("mayfly"), false},
                              {*name::parse("other"), {}, 0, 17, *name::parse("mayfly"), false}});
  auto const listed = [&](context_lookup const& context) {
    return written([&](ephemeral_text& out) { write_models(out, catalogue, context); });
  };
  CHECK(listed([&](name const& model) {
          return model == tiny ? 128U : 0U;
        }).find(R"("context_tokens":128)") != std::string::npos);
  CHECK(listed({}).find(R"("context_tokens":256)") != std::string::npos);
  CHECK(listed({}).find(R"("root":"other","demonstration")") != std::string::npos);
}

TEST_CASE("two models cannot share a name") {
  auto const tiny = *name::parse("tiny");
  CHECK_FALSE(model_catalogue::make({{tiny, {}, 1, 0, {}, false}, {tiny, {}, 1, 0, {}, false}}).has_value());
}
