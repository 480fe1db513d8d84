#include "actors/api/json_writer.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

using namespace mayfly;
using namespace mayfly::actors::api;

namespace {
std::string quoted(std::string_view text) {
  ephemeral_text out;
  json_writer(out).string(text);
  return std::string(out.reveal());
}
template <class Number>
std::string numbered(Number value) {
  ephemeral_text out;
  json_writer(out).number(value);
  return std::string(out.reveal());
}
} // namespace

TEST_CASE("quotes, backslashes and control characters are escaped") {
  CHECK(quoted("a\"b\\c\n\r\t") == R"("a\"b\\c\n\r\t")");
  CHECK(quoted(std::string_view("\0\x1F\x7F", 3)) == R"("\u0000\u001f\u007f")");
}

TEST_CASE("UTF-8 passes as it is") {
  CHECK(quoted("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\xA6\x8B") == "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\xA6\x8B\"");
}

TEST_CASE("bytes that are not UTF-8 become the replacement character") {
  auto const bad = GENERATE(values<std::string>({"\x80", "\xC0", "\xFF", "\xF5", "\xC3"}));
  CHECK(quoted(bad) == "\"\xEF\xBF\xBD\"");
  CHECK(quoted("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); // a surrogate
  CHECK(quoted("\xE0\x80\x80").size() == 11);                                  // an overlong form
  CHECK(quoted("a\xE2\x82") == "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST_CASE("numbers are the shortest that read back, and never what JSON cannot say") {
  CHECK(numbered(0.1) == "0.1");
  CHECK(numbered(0.1F) == "0.1");
  CHECK(numbered(std::uint64_t{UINT64_MAX}) == "18446744073709551615");
  CHECK(numbered(std::int64_t{INT64_MIN}) == "-9223372036854775808");
  CHECK(numbered(-std::numeric_limits<float>::infinity()) == "-9999");
  CHECK(numbered(std::numeric_limits<double>::quiet_NaN()) == "null");
}
