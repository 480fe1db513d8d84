// ids and names
#include "protocol/base/ids.hpp"
#include "protocol/base/name.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace mayfly;

TEST_CASE("an id's text is 16 lower-case hexadecimal digits and parses back") {
  REQUIRE(node_id{0x0123456789abcdef}.text() == "0123456789abcdef");
  REQUIRE(account_id{1}.text() == "0000000000000001");
  REQUIRE(*node_id::parse("0123456789abcdef") == node_id{0x0123456789abcdef});
}

TEST_CASE("text that is no id is refused") {
  for (std::string_view const text : {"", "0", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg",
                                      "-123456789abcdef", " 123456789abcdef", "0x23456789abcdef"}) {
    INFO(text);
    auto const parsed = node_id::parse(text);
    REQUIRE_FALSE(parsed);
    REQUIRE(parsed.failure().code == errc::malformed);
  }
}

TEST_CASE("made ids differ and are never none") {
  std::set<node_id> seen;
  for (int count = 0; count < 1000; ++count) {
    auto const made = node_id::make();
    REQUIRE(made);
    seen.insert(made);
  }
  REQUIRE(seen.size() == 1000);
}

TEST_CASE("a request id carries its retention instance") {
  auto const instance = retention_id::make();
  auto const made = request_id::make(instance);
  REQUIRE(made.retention == instance);
  REQUIRE(made.text().size() == 32);
  REQUIRE(made.text().substr(0, 16) == instance.text());
  REQUIRE(*request_id::parse(made.text()) == made);
}

TEST_CASE("text that is no request id is refused") {
  auto const text = request_id::make(retention_id::make()).text();
  REQUIRE_FALSE(request_id::parse(text.substr(1)));
  REQUIRE_FALSE(request_id::parse(text + "0"));
  REQUIRE_FALSE(request_id::parse("g" + text.substr(1)));
  REQUIRE_FALSE(request_id::parse(text.substr(0, 31) + "g"));
}

TEST_CASE("names of the allowed characters keep their text") {
  for (auto const& text : {std::string("a"), std::string("HuggingFaceTB/SmolLM2-135M-Instruct:q4_1+lora@v1*"),
                           std::string("tcp://127.0.0.1:9000"), std::string(128, 'x')}) {
    auto const parsed = name::parse(text);
    REQUIRE(parsed);
    REQUIRE(parsed->text() == text);
  }
}

TEST_CASE("a name that is empty, too long or of other characters is refused, and the error says where") {
  REQUIRE_FALSE(name::parse(""));
  REQUIRE_FALSE(name::parse(std::string(129, 'x')));
  for (std::string_view const bad : {"ab c", "ab\n", "ab\"", "ab\\", "ab{", "ab\x7f", "ab\xc3\xa4"}) {
    auto const parsed = name::parse(bad);
    REQUIRE_FALSE(parsed);
    REQUIRE(parsed.failure().code == errc::malformed);
    REQUIRE(parsed.failure().number == 2);
  }
  REQUIRE_FALSE(name::parse(std::string_view("a\0b", 3)));
}

TEST_CASE("a name is empty by default alone") {
  REQUIRE(name().empty());
  REQUIRE_FALSE(name::parse("a")->empty());
}
