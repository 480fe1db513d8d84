#include "actors/api/json_document.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <string>

using namespace mayfly;
using namespace mayfly::actors::api;

TEST_CASE("a document gives all its locked memory back, in the sizes that it took") {
  auto const before = locked_memory_usage().in_use_bytes;
  auto const bytes = GENERATE(1U, 100U, 4000U, 5000U, 100000U);
  {
    auto const text = R"({"a":")" + std::string(bytes, 'x') + R"(","b":[1,[2,[3]]]})";
    auto const document = json_document::parse(text, 32);
    REQUIRE(document.has_value());
    CHECK((*document)->root().get_object().at("a").get_string().size() == bytes);
    CHECK(locked_memory_usage().in_use_bytes > before);
  }
  CHECK(locked_memory_usage().in_use_bytes == before);
}

TEST_CASE("a document that is refused gives its memory back too") {
  auto const before = locked_memory_usage().in_use_bytes;
  CHECK_FALSE(json_document::parse(R"({"a":"long enough not to be short","b":)", 32).has_value());
  CHECK(locked_memory_usage().in_use_bytes == before);
}

TEST_CASE("nesting beyond the depth is refused as too large") {
  CHECK(json_document::parse("[[[[]]]]", 3).failure().code == errc::too_large);
  CHECK(json_document::parse("[[[]]]", 3).has_value());
}
