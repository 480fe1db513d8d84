#include "server.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;
using namespace mayfly::actors;

namespace {
bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }
} // namespace

TEST_CASE("a chat is answered whole, and the gateway hears when it is over") {
  server one([](auto request) { deliver_answer(*request, {"Hel", "lo"}); });
  auto const answer = one.ask(request_text("POST", "/v1/chat/completions", chat_body()));
  CHECK(answer.status == 200);
  CHECK(answer.field("content-type") == "application/json");
  CHECK(holds(answer.body, R"("content":"Hello")"));
  CHECK(holds(answer.body, R"("usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9})"));
  CHECK(holds(answer.body, "\"id\":\"chatcmpl-" + std::string(answer.field("x-request-id")) + "\""));
  REQUIRE(one.gateway.wait([&] { return one.gateway.over.size() == 1; }));
  CHECK(one.gateway.over[0].status == 200);
  CHECK(one.gateway.over[0].wiped_bytes > 0);
  CHECK(one.gateway.chunks == 2);
  CHECK(one.gateway.abandoned.empty());
}

TEST_CASE("a streamed chat names the role, gives the text, the reason and the end") {
  server one([](auto request) { deliver_answer(*request, {"Hel", "lo"}); });
  auto const answer = one.ask(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  CHECK(answer.status == 200);
  CHECK(answer.field("content-type") == "text/event-stream; charset=utf-8");
  CHECK(holds(answer.body, R"("delta":{"role":"assistant","content":"","refusal":null})"));
  CHECK(holds(answer.body, R"("delta":{"content":"Hel"})"));
  CHECK(holds(answer.body, R"("delta":{"content":"lo"})"));
  CHECK(holds(answer.body, R"("finish_reason":"stop")"));
  CHECK(answer.body.ends_with("data: [DONE]\n\n"));
  REQUIRE(one.gateway.wait([&] { return one.gateway.over.size() == 1; }));
}
