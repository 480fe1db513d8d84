// The way of a request with a real model: template, tokens, engine, text.
#include "actors/worker/text_language.hpp"
#include "tests/actors/process_cluster.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::testing;

namespace {

struct real_cluster : process_cluster {
  real_cluster() {
    gpu::engine_options options;
    options.model = MAYFLY_TEST_MODELS "/tiny-default-5.8M-q8_0.gguf";
    options.threads = 1;
    options.max_sequences = 8;
    auto loaded = actors::load_worker_model(named("tiny"), options);
    REQUIRE(loaded.has_value());
    context = loaded->engine->context_tokens();
    add_front();
    add_worker(1, std::move(*loaded));
    link();
    REQUIRE(eventually([&] { return view->read()->ready; }));
  }
  messages::infer chat(std::string_view said, std::uint32_t max_tokens) const {
    auto infer = completion("tiny", "", max_tokens);
    infer.kind = messages::prompt_kind::chat;
    infer.messages.push_back({messages::chat_role::user, ephemeral_text(said), {}});
    return infer;
  }
  std::shared_ptr<recording_sink> answer(messages::infer const& asked, std::uint32_t choices = 1) {
    auto sink = submit(new_request(), asked, choices);
    REQUIRE(sink->wait_over());
    REQUIRE(sink->complete());
    return sink;
  }
  std::uint32_t context = 0;
};

} // namespace

TEST_CASE("a real model answers a completion, the same way each time") {
  real_cluster cluster;
  auto const first = cluster.answer(completion("tiny", "Once upon a time", 16));
  auto const second = cluster.answer(completion("tiny", "Once upon a time", 16), 3);
  CHECK_FALSE(first->text().empty());
  for (std::uint32_t choice = 0; choice < 3; ++choice) CHECK(second->text(choice) == first->text());
  CHECK(first->finished()[0].completion_tokens <= 16);
}

TEST_CASE("a real model answers a conversation") {
  real_cluster cluster;
  auto const sink = cluster.answer(cluster.chat("What is a mayfly?", 8));
  REQUIRE(sink->finished().size() == 1);
  CHECK(sink->finished()[0].prompt_tokens > 5);
}

TEST_CASE("an echoed prompt stands before the real model's text") {
  real_cluster cluster;
  auto asked = completion("tiny", "Once upon a time", 4);
  auto const plain = cluster.answer(asked);
  asked.echo = true;
  CHECK(cluster.answer(asked)->text() == "Once upon a time" + plain->text());
}

TEST_CASE("a stop string cuts the real model's text") {
  real_cluster cluster;
  auto asked = completion("tiny", "Once upon a time", 24);
  auto const whole = cluster.answer(asked)->text();
  REQUIRE(whole.size() > 8);
  auto const stop = whole.substr(whole.size() / 2, 3);
  asked.stop.emplace_back(stop);
  CHECK(cluster.answer(asked)->text() == whole.substr(0, whole.find(stop)));
}

TEST_CASE("a prompt beyond the real model's context is refused") {
  real_cluster cluster;
  std::string words;
  for (std::uint32_t count = 0; count <= cluster.context; ++count) words += " word";
  auto const sink = cluster.submit(cluster.new_request(), completion("tiny", words, 4));
  REQUIRE(sink->wait_over());
  REQUIRE(sink->failure());
  CHECK(sink->failure()->code == errc::context_length_exceeded);
  CHECK(sink->failure()->number == cluster.context);
}
