#include "actors/gateway/http/response.hpp"
#include "actors/gateway/http/routes.hpp"
#include "actors/gateway/http/strict_head.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace mayfly;
using namespace mayfly::actors::http;

TEST_CASE("a frame is a chunk with its size in front") {
  ephemeral_text out("head");
  chunk_frame frame(out, true);
  frame.open();
  out.append("data: 1\n\n");
  frame.close();
  frame.end();
  CHECK(out.reveal() == "head00000009\r\ndata: 1\n\n\r\n0\r\n\r\n");
}

TEST_CASE("an empty frame leaves nothing, for an empty chunk would end the body") {
  ephemeral_text out;
  chunk_frame frame(out, true);
  frame.open();
  frame.close();
  CHECK(out.empty());
}

TEST_CASE("without chunks a frame is nothing but its text") {
  ephemeral_text out;
  chunk_frame frame(out, false);
  frame.open();
  out.append("x");
  frame.close();
  frame.end();
  CHECK(out.reveal() == "x");
}

TEST_CASE("percent-encoding is undone, or refused") {
  CHECK(percent_decoded("a%2Fb%20c")->reveal() == "a/b c");
  CHECK_FALSE(percent_decoded("%").has_value());
  CHECK_FALSE(percent_decoded("%4").has_value());
  CHECK_FALSE(percent_decoded("%zz").has_value());
}

TEST_CASE("a head ends at its first empty line") {
  CHECK(head_size("GET / HTTP/1.1\r\n\r\nrest") == 18);
  CHECK(head_size("GET / HTTP/1.1\r\n") == std::string_view::npos);
}

TEST_CASE("a head with a hundred fields passes, with more it does not") {
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int index = 0; index < 99; ++index) head += "A: b\r\n";
  CHECK(check_head(head + "\r\n").has_value());
  CHECK_FALSE(check_head(head + "A: b\r\n\r\n").has_value());
}
