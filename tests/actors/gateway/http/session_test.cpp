#include "server.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <future>

using namespace mayfly;
using namespace mayfly::actors;

namespace {
bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }
void answer_briefly(std::shared_ptr<generation> request) { deliver_answer(*request, {"ok"}); }
} // namespace

TEST_CASE("each path answers, or says what it takes") {
  server one(answer_briefly);
  struct attempt {
    char const* method;
    char const* target;
    int status;
    char const* part;
  };
  auto const row = GENERATE(
      attempt{"GET", "/healthz", 200, R"({"status":"ok"})"},
      attempt{"GET", "/readyz", 200, R"({"status":"ready"})"},
      attempt{"GET", "/openapi.json", 200, R"("openapi": "3.1.0")"},
      attempt{"GET", "/v1/models", 200, R"("id":"small")"},
      attempt{"GET", "/v1/models/small", 200, R"("root":"tiny")"},
      attempt{"GET", "/v1/models/org/other", 200, R"("id":"org/other")"},
      attempt{"GET", "/v1/models/org%2Fother", 200, R"("id":"org/other")"},
      attempt{"GET", "/v1/models/none", 404, "model_not_found"},
      attempt{"GET", "/v1/models/%", 404, "model_not_found"}, attempt{"GET", "/nowhere", 404, "not_found"},
      attempt{"GET", "/metrics", 404, "not_found"}, attempt{"GET", "http://localhost/healthz", 200, "ok"},
      attempt{"GET", "http://elsewhere/healthz", 400, "error"},
      attempt{"DELETE", "/v1/models", 405, "method_not_allowed"},
      attempt{"GET", "/v1/chat/completions", 405, "method_not_allowed"},
      attempt{"PURGE", "/healthz", 405, "method_not_allowed"});
  CAPTURE(row.method, row.target);
  auto const answer = one.ask(request_text(row.method, row.target));
  CHECK(answer.status == row.status);
  CHECK(holds(answer.body, row.part));
  CHECK(answer.field("x-request-id").size() == 32);
  CHECK(answer.field("cache-control") == "no-store");
}

TEST_CASE("Allow names the methods of a path") {
  server one(answer_briefly);
  CHECK(one.ask(request_text("GET", "/v1/completions")).field("allow") == "post");
  CHECK(one.ask(request_text("POST", "/v1/models", "{}")).field("allow") == "get, head");
}

TEST_CASE("HEAD gets the head of GET") {
  server one(answer_briefly);
  auto const answer = one.ask(request_text("HEAD", "/v1/models"));
  CHECK(answer.status == 200);
  CHECK(answer.field("content-length") != "0");
  raw_client client(one.port());
  client.send(request_text("HEAD", "/healthz") + request_text("GET", "/healthz"));
  client.receive(true);
  CHECK(client.receive().body == R"({"status":"ok"})");
}

TEST_CASE("readiness follows the node, with a time to come back") {
  server one(answer_briefly);
  one.ready = false;
  auto const answer = one.ask(request_text("GET", "/readyz"));
  CHECK(answer.status == 503);
  CHECK(answer.body == R"({"status":"no worker yet"})");
  CHECK_FALSE(answer.field("retry-after").empty());
}

TEST_CASE("without the right key the body is not even waited for") {
  server one(answer_briefly);
  auto const field =
      GENERATE(values<std::string>({"", "Authorization: Bearer mf-wrong\r\n",
                                    "Authorization: Basic mf-test\r\n", "Authorization: Bearer \r\n"}));
  raw_client client(one.port());
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + field +
              "Content-Length: 1000\r\n\r\n");
  auto const answer = client.receive();
  CHECK(answer.status == 401);
  CHECK(answer.field("www-authenticate") == "bearer");
  CHECK(holds(answer.body, R"("code":"invalid_api_key")"));
  CHECK(client.closed());
}

TEST_CASE("a scheme is a scheme in any case") {
  server one(answer_briefly);
  CHECK(one.ask("GET /v1/models HTTP/1.1\r\nHost: x\r\nauthorization: bearer mf-test\r\n\r\n").status == 200);
}

TEST_CASE("retention that cannot be met is refused before the body, what asks nothing is not") {
  server one(answer_briefly);
  auto const field =
      GENERATE(values<std::string>({"Mayfly-Retention", "Mayfly-Third-Party", "Mayfly-Region"}));
  raw_client client(one.port());
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mf-test\r\n"
              "Content-Type: application/json\r\nContent-Length: 1000\r\n" +
              field + ": session;ttl=60\r\n\r\n");
  auto const answer = client.receive();
  CHECK(answer.status == 400);
  CHECK(holds(answer.body, R"("code":"retention_refused")"));
  CHECK(holds(answer.body, "\"param\":\"" + field + "\""));
  CHECK(one.ask(request_text("POST", "/v1/chat/completions", chat_body(), field + ": none\r\n")).status ==
        200);
}

TEST_CASE("only JSON is taken, as it is") {
  server one(answer_briefly);
  auto const field =
      GENERATE(values<std::string>({"", "Content-Type: text/plain\r\n", "Content-Type: application/jsonp\r\n",
                                    "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"}));
  CHECK(one.ask("POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mf-test\r\n" + field +
                "Content-Length: 2\r\n\r\n{}")
            .status == 415);
}

TEST_CASE("JSON may say its charset") {
  server one(answer_briefly);
  auto text = request_text("POST", "/v1/chat/completions", chat_body());
  text.replace(text.find("application/json"), 16, "Application/JSON ; charset=utf-8");
  CHECK(one.ask(text).status == 200);
}

TEST_CASE("a body beyond the limit is refused by its announcement, or where it passes the limit") {
  http::ingress_options options;
  options.limits.body_bytes = 1000;
  server one(answer_briefly, std::move(options));
  auto const head = [](std::string const& fields) {
    return "POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mf-test\r\n"
           "Content-Type: application/json\r\n" +
           fields + "\r\n";
  };
  auto const refused = one.ask(head("Content-Length: 1001\r\n"));
  CHECK(refused.status == 413);
  CHECK(refused.body.find("at most 1000 bytes") != std::string::npos);
  CHECK(one.ask(head("Transfer-Encoding: chunked\r\n") + "3e9\r\n" + std::string(1001, ' ') + "\r\n0\r\n\r\n")
            .status == 413);
}

TEST_CASE("a chunked body is taken") {
  server one(answer_briefly);
  auto const body = chat_body();
  auto const half = body.size() / 2;
  auto const chunk = [](std::string const& text) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx", text.size());
    return std::string(size) + "\r\n" + text + "\r\n";
  };
  CHECK(one.ask("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mf-test\r\n"
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
                chunk(body.substr(0, half)) + chunk(body.substr(half)) + "0\r\n\r\n")
            .status == 200);
}

TEST_CASE("heads that are too large are refused") {
  server one(answer_briefly);
  CHECK(one.ask("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + std::string(17000, 'a') + "\r\n\r\n").status ==
        431);
}

TEST_CASE("shapes that another server might read differently are refused, and the connection ends") {
  server one(answer_briefly);
  std::string const post = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mf-test\r\n"
                           "Content-Type: application/json\r\n";
  auto const text = GENERATE_COPY(
      values<std::string>({post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                           post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
                           post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                           post + "Content-Length: 2, 2\r\n\r\n{}",
                           post + "Content-Length: +2\r\n\r\n{}",
                           post + "Content-Length: 0x2\r\n\r\n{}",
                           post + "Content-Length: \r\n\r\n",
                           post + "Content-Length: 99999999999999999999\r\n\r\n",
                           post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                           post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                           post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                           post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                           post + "X: a\r\n folded\r\n\r\n",
                           post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
                           post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
                           post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
                           post + std::string("X: a\0b\r\n\r\n", 10),
                           post + "X: a\nContent-Length: 5\r\n\r\n",
                           "GET /healthz HTTP/1.1\r\n\r\n",
                           "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                           "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
                           "GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n",
                           "GET /healthz\r\nHost: x\r\n\r\n",
                           "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                           "GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n",
                           "GET health HTTP/1.1\r\nHost: x\r\n\r\n",
                           "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
                           "GE(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                           "GET /healthz HTTP/1.1\r\nHost: x\r\nno-colon\r\n\r\n",
                           "GET /healthz HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
                           "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n",
                           post + "X: y\r\n\r\n" + "GET /smuggled HTTP/1.1\r\n\r\n\r\n"}));
  CAPTURE(text);
  raw_client client(one.port());
  client.send(text);
  auto const answer = client.receive();
  CHECK(answer.status == 400);
  CHECK(answer.field("x-request-id").size() == 32);
}

TEST_CASE("requests that are sent at once are answered in order") {
  server one(answer_briefly);
  raw_client client(one.port());
  client.send("\r\n" + request_text("GET", "/v1/models/tiny") +
              request_text("POST", "/v1/chat/completions", chat_body()) + request_text("GET", "/nowhere") +
              request_text("GET", "/healthz"));
  CHECK(holds(client.receive().body, R"("root":"tiny")"));
  CHECK(holds(client.receive().body, "chat.completion"));
  CHECK(client.receive().status == 404);
  CHECK(holds(client.receive().body, "ok"));
}

TEST_CASE("a connection stays until a side asks for its end") {
  server one(answer_briefly);
  raw_client client(one.port());
  for (int turn = 0; turn < 3; ++turn) {
    client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
    CHECK(client.receive().field("connection") == "keep-alive");
  }
  client.send(request_text("GET", "/healthz", "", "Connection: close\r\n"));
  CHECK(client.receive().field("connection") == "close");
  CHECK(client.closed());
}

TEST_CASE("Expect: 100-continue is told to go on") {
  server one(answer_briefly);
  raw_client client(one.port());
  auto const body = chat_body();
  auto const whole = request_text("POST", "/v1/chat/completions", body, "Expect: 100-continue\r\n");
  client.send(whole.substr(0, whole.size() - body.size()));
  CHECK(client.receive().status == 100);
  client.send(body);
  CHECK(client.receive().status == 200);
}

TEST_CASE("a head or a body that does not come in time is answered with 408") {
  http::ingress_options options;
  options.limits.head = options.limits.body = std::chrono::milliseconds(40);
  server one(answer_briefly, std::move(options));
  auto const whole = request_text("POST", "/v1/chat/completions", chat_body());
  auto const part = GENERATE_COPY(whole.substr(0, 30), whole.substr(0, whole.size() - 5));
  auto const answer = one.ask(part);
  CHECK(answer.status == 408);
  CHECK(answer.field("connection") == "close");
}

TEST_CASE("an idle connection ends without a word") {
  http::ingress_options options;
  options.limits.idle = std::chrono::milliseconds(20);
  server one(answer_briefly, std::move(options));
  raw_client client(one.port());
  CHECK(client.receive().status == 0);
}

TEST_CASE("connections beyond the limit are turned away") {
  http::ingress_options options;
  options.connections = 1;
  server one(answer_briefly, std::move(options));
  raw_client first(one.port());
  first.send(request_text("GET", "/healthz"));
  REQUIRE(first.receive().status == 200);
  raw_client second(one.port());
  CHECK(second.receive().status == 503);
}

TEST_CASE("draining ends idle connections, refuses what is new, and lets what runs finish") {
  std::promise<std::shared_ptr<generation>> asked;
  server one([&](auto request) { asked.set_value(request); });
  raw_client idle(one.port());
  idle.send(request_text("GET", "/healthz"));
  REQUIRE(idle.receive().status == 200);
  raw_client busy(one.port());
  busy.send(request_text("POST", "/v1/chat/completions", chat_body()));
  auto const request = asked.get_future().get();
  one.running->drain();
  CHECK(idle.closed());
  deliver_answer(*request, {"last"});
  CHECK(holds(busy.receive().body, "last"));
  CHECK(busy.closed());
}

TEST_CASE("stopping abandons what runs") {
  server one([](auto request) { request->sink->deliver(answer_started{1}); });
  raw_client client(one.port());
  client.send(request_text("POST", "/v1/chat/completions", chat_body(R"(,"stream":true)")));
  REQUIRE_FALSE(client.receive_until("assistant").empty());
  one.running->stop();
  CHECK(client.closed());
  CHECK(one.gateway.wait([&] { return one.gateway.abandoned.size() == 1 && one.gateway.over.size() == 1; }));
}

TEST_CASE("the admin port gives metrics and health, and nothing of the API") {
  http::ingress_options options;
  options.serves = http::surface::admin;
  server one(answer_briefly, std::move(options));
  auto const metrics = one.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(metrics.body == "mayfly_requests 3\n");
  CHECK(metrics.field("content-type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(one.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200);
  CHECK(one.ask(request_text("GET", "/v1/models")).status == 404);
}

TEST_CASE("refusals are logged with their code and without the client's words") {
  server one(answer_briefly);
  one.ask(request_text("POST", "/v1/chat/completions", chat_body(R"(,"canary":1)")));
  one.ask(request_text("GET", "/canary"));
  auto const records = one.log.wait(2);
  REQUIRE(records.size() == 2);
  CHECK(records[0].code == errc::invalid_request);
  CHECK(records[0].status == 400);
  CHECK(records[0].model.empty());
  CHECK_FALSE(records[1].account);
}
