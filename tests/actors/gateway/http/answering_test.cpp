#include "server.hpp"

#include <catch2/catch.hpp>
#include <thread>

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
  CHECK(one.gateway.chunks == 0); // credit of what is not streamed is the gateway's own matter
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

TEST_CASE("the usage chunk comes last, before the end") {
  server one([](auto request) { deliver_answer(*request, {"x"}); });
  auto const answer = one.ask(request_text(
      "POST", "/v1/completions",
      R"({"model":"small","prompt":"p","stream":true,"stream_options":{"include_usage":true}})"));
  CHECK(holds(answer.body, R"("model":"small")"));
  CHECK(answer.body.ends_with(
      R"("choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8}})"
      "\n\ndata: [DONE]\n\n"));
}

TEST_CASE("a failure before the first byte is an error with its status") {
  server one(
      [](auto request) { request->sink->deliver(answer_failed{{errc::overloaded, "queues are full", 2}}); });
  auto const answer = one.ask(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  CHECK(answer.status == 429);
  CHECK(answer.field("retry-after") == "2");
  CHECK(holds(answer.body, R"("code":"overloaded")"));
  REQUIRE(one.gateway.wait([&] { return one.gateway.over.size() == 1; }));
  CHECK(one.gateway.over[0].status == 429);
}

TEST_CASE("a failure amid a stream is an error event, and no [DONE] follows") {
  server one([](auto request) {
    request->sink->deliver(answer_started{1});
    request->sink->deliver(make_chunk(request->request, 0, "partial"));
    request->sink->deliver(answer_failed{{errc::worker_lost, "gone", 0}});
  });
  auto const answer = one.ask(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  CHECK(answer.status == 200);
  CHECK(holds(answer.body, "partial"));
  CHECK(holds(answer.body, R"(data: {"error":{"message":)"));
  CHECK(holds(answer.body, R"("code":"worker_lost")"));
  CHECK_FALSE(holds(answer.body, "[DONE]"));
  auto const records = one.log.wait(1);
  REQUIRE(records.size() == 1);
  CHECK(records[0].code == errc::worker_lost);
}

TEST_CASE("a client that leaves is noticed without a write, and its request abandoned") {
  server one([](auto request) {
    request->sink->deliver(answer_started{1});
    request->sink->deliver(make_chunk(request->request, 0, "first"));
  });
  raw_client client(one.port());
  client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  REQUIRE_FALSE(client.receive_until("first").empty());
  client.close();
  REQUIRE(
      one.gateway.wait([&] { return one.gateway.abandoned.size() == 1 && one.gateway.over.size() == 1; }));
  CHECK(one.gateway.over[0].status == 499);
  auto const records = one.log.wait(1);
  REQUIRE(records.size() == 1);
  CHECK(records[0].status == 499);
  CHECK(records[0].completion_tokens == 1);
}

TEST_CASE("a client that leaves before the first token is noticed too, streamed or not") {
  auto const more = GENERATE(values<std::string>({"", R"(,"stream":true)"}));
  server one([](auto) {});
  raw_client client(one.port());
  client.send(request_text("POST", "/v1/chat/completions", chat_body(more)));
  REQUIRE(one.gateway.wait([&] { return one.gateway.submitted.size() == 1; }));
  client.close();
  CHECK(one.gateway.wait([&] { return one.gateway.abandoned.size() == 1; }));
}

TEST_CASE("pipelined bytes are no leave-taking, a close behind them is") {
  server one([](auto request) { request->sink->deliver(answer_started{1}); });
  raw_client client(one.port());
  client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  REQUIRE_FALSE(client.receive_until("assistant").empty());
  client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  one.gateway.submitted.at(0)->sink->deliver(make_chunk({}, 0, "still here"));
  REQUIRE_FALSE(client.receive_until("still here").empty());
  CHECK(one.gateway.abandoned.empty());
  client.close();
  CHECK(one.gateway.wait([&] { return one.gateway.abandoned.size() == 1; }));
}

TEST_CASE("chunks are settled when the socket took them, and not while the client does not read") {
  std::string const big(32 * 1024, 'x');
  constexpr std::uint32_t chunk_count = 2000;
  http::ingress_options options;
  options.write_bytes = 16 * 1024;
  server one(
      [&](auto request) {
        request->sink->deliver(answer_started{1});
        for (std::uint32_t index = 0; index < chunk_count; ++index)
          request->sink->deliver(make_chunk(request->request, 0, big));
      },
      std::move(options));
  raw_client client(one.port(), 4096);
  client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  REQUIRE(one.gateway.wait([&] { return one.gateway.chunks > 0; }));
  // 64 MiB are due; the kernel's buffers hold a few, so the rest cannot have been settled.
  CHECK(one.gateway.chunks < chunk_count);
  client.close();
  CHECK(one.gateway.wait([&] { return one.gateway.abandoned.size() == 1; }));
}

TEST_CASE("a client that takes nothing for too long is left") {
  http::ingress_options options;
  options.limits.write = std::chrono::milliseconds(50);
  server one(
      [](auto request) {
        request->sink->deliver(answer_started{1});
        for (int index = 0; index < 400; ++index)
          request->sink->deliver(make_chunk(request->request, 0, std::string(64 * 1024, 'x')));
      },
      std::move(options));
  raw_client client(one.port(), 4096);
  client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  CHECK(one.gateway.wait([&] { return one.gateway.abandoned.size() == 1 && one.gateway.over.size() == 1; }));
}

TEST_CASE("a silent stream is kept alive by comments") {
  http::ingress_options options;
  options.ping = std::chrono::milliseconds(20);
  server one([](auto request) { request->sink->deliver(answer_started{1}); }, std::move(options));
  raw_client client(one.port());
  client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  CHECK_FALSE(client.receive_until(": ping\n\n").empty());
}

TEST_CASE("a gateway that says nothing costs the client its deadline, not for ever") {
  http::ingress_options options;
  options.generation_deadline = options.deadline_grace = std::chrono::milliseconds(30);
  server one([](auto) {}, std::move(options));
  auto const answer = one.ask(request_text("POST", "/v1/chat/completions", chat_body()));
  CHECK(answer.status == 504);
  CHECK(one.gateway.wait([&] { return one.gateway.abandoned.size() == 1 && one.gateway.over.size() == 1; }));
}

TEST_CASE("HTTP/1.0 gets its stream without chunks, until the close") {
  server one([](auto request) { deliver_answer(*request, {"old"}); });
  auto text = request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)"));
  text.replace(text.find("HTTP/1.1"), 8, "HTTP/1.0");
  auto const answer = one.ask(text);
  CHECK(answer.field("transfer-encoding").empty());
  CHECK(answer.field("connection") == "close");
  CHECK(answer.body.ends_with("data: [DONE]\n\n"));
}

TEST_CASE("the request log's record says what was asked, in numbers and the catalogue's names") {
  server one([](auto request) { deliver_answer(*request, {"a", "b"}); });
  one.ask(request_text("POST", "/v1/chat/completions",
                       chat_body(R"(,"temperature":0.5,"n":2,"user":"canary","stop":"canary")")));
  auto const records = one.log.wait(1);
  REQUIRE(records.size() == 1);
  auto const& record = records[0];
  CHECK(record.account.value == 42);
  CHECK(record.model.view() == "tiny");
  CHECK(record.parameters.temperature == 0.5F);
  CHECK(record.choices == 2);
  CHECK(record.prompt_tokens == 7);
  CHECK(record.completion_tokens == 4);
  CHECK(record.status == 200);
  CHECK(record.first_token.count() > 0);
}

TEST_CASE("a connection leaves no locked memory in use behind it") {
  server one([](auto request) { deliver_answer(*request, {"text"}); });
  auto const before = locked_memory_usage().in_use_bytes;
  auto const more = GENERATE(values<std::string>({"", R"(,"stream":true)", R"(,"n":0)", "malformed"}));
  {
    raw_client client(one.port());
    client.send(request_text("POST", "/v1/chat/completions", chat_body(more)));
    CHECK(client.receive().status != 0);
    client.send("half a reque");
  }
  one.gateway.wait([&] { return one.gateway.over.size() == one.gateway.submitted.size(); });
  one.gateway.submitted.clear(); // the fake's own hold on the prompt
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  auto const there = [&] {
    return one.running->connections() > 0 || locked_memory_usage().in_use_bytes > before;
  };
  while (there() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  CHECK(locked_memory_usage().in_use_bytes <= before);
}

TEST_CASE("a receipt is found by either id, for the account that asks") {
  server one([](auto) {});
  request_id const id{{77}, 5};
  one.gateway.answer_receipts_with([&](find_receipt const& wanted) {
    messages::receipt_answer answer;
    answer.request = wanted.request;
    if (wanted.request == id && wanted.account.value == 42) {
      answer.state = messages::receipt_state::final;
      answer.receipt.emplace().body.request = id;
    } else if (wanted.request.serial == 6) {
      answer.state = messages::receipt_state::open;
    }
    return answer;
  });
  CHECK(one.ask(request_text("GET", "/v1/receipts/" + id.text())).status == 200);
  auto const named = one.ask(request_text("GET", "/v1/receipts/chatcmpl-" + id.text()));
  CHECK(named.status == 200);
  CHECK(holds(named.body, R"("state":"final")"));
  CHECK(one.ask(request_text("GET", "/v1/receipts/" + request_id{{77}, 6}.text())).status == 202);
  CHECK(one.ask(request_text("GET", "/v1/receipts/" + request_id{{77}, 7}.text())).status == 404);
  CHECK(one.ask(request_text("GET", "/v1/receipts/nonsense")).status == 404);
}

TEST_CASE("while no retention peer can be asked a receipt is to be asked for again, and not denied") {
  server one([](auto) {});
  one.gateway.find_no_retention();
  auto const got = one.ask(request_text("GET", "/v1/receipts/" + request_id{{77}, 5}.text()));
  CHECK(got.status == 503);
  CHECK(holds(got.head, "retry-after: 1"));
}
