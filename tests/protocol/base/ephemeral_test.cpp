#include "protocol/base/ephemeral.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

using namespace mayfly;

static_assert(!std::is_copy_constructible_v<ephemeral_bytes> && !std::is_copy_assignable_v<ephemeral_bytes>);
static_assert(!std::is_copy_constructible_v<ephemeral_text> && !std::is_copy_assignable_v<ephemeral_text>);
static_assert(std::is_nothrow_move_constructible_v<ephemeral_tokens>);
static_assert(std::is_nothrow_move_assignable_v<ephemeral_text>);
static_assert(is_ephemeral_v<ephemeral_text const&> && is_ephemeral_v<ephemeral_tokens> &&
              !is_ephemeral_v<int>);

namespace {

bool is_zero(char const* bytes, std::size_t count) {
  return std::all_of(bytes, bytes + count, [](char c) { return c == 0; });
}

// What the pool's free list keeps at the head of a block that came back.
constexpr std::size_t link_bytes = sizeof(void*);

} // namespace

TEST_CASE("what is appended stands in the buffer in order") {
  ephemeral_text text("ab");
  text.append("cd");
  text.push_back('e');
  REQUIRE((text.reveal() == "abcde"));
  ephemeral_tokens tokens;
  for (token_id token = 0; token < 1000; ++token) tokens.push_back(token);
  REQUIRE(tokens.size() == 1000);
  REQUIRE(tokens.size_bytes() == 4000);
  for (token_id token = 0; token < 1000; ++token)
    REQUIRE(tokens.reveal()[static_cast<std::size_t>(token)] == token);
}

TEST_CASE("a moved-from text is empty and the other holds the place") {
  ephemeral_text first("a secret that is long enough");
  auto const* const place = first.reveal().data();
  ephemeral_text second(std::move(first));
  REQUIRE(first.empty()); // NOLINT(bugprone-use-after-move): that is the point
  REQUIRE(second.reveal().data() == place);
  ephemeral_text third("other");
  third = std::move(second);
  REQUIRE(third.reveal().data() == place);
  REQUIRE(second.empty()); // NOLINT(bugprone-use-after-move)
}

TEST_CASE("moving into a text wipes what it held") {
  ephemeral_text held(std::string_view("what the text held before it was replaced"));
  auto const* const place = held.reveal().data();
  auto const size = held.size();
  held = ephemeral_text("new");
  REQUIRE(is_zero(place + link_bytes, size - link_bytes));
}

TEST_CASE("a buffer wipes its place when it dies") {
  char const* place = nullptr;
  {
    ephemeral_text const text("the last words of a mayfly");
    place = text.reveal().data();
  }
  REQUIRE(is_zero(place + link_bytes, 26 - link_bytes));
}

TEST_CASE("growing wipes the old place") {
  ephemeral_text text("the place that is too small soon");
  auto const* const place = text.reveal().data();
  auto const size = text.size();
  text.reserve(100'000);
  REQUIRE(text.reveal().data() != place);
  REQUIRE(is_zero(place + link_bytes, size - link_bytes));
  REQUIRE((text.reveal() == "the place that is too small soon"));
}

TEST_CASE("shrinking wipes what is cut off") {
  ephemeral_text text("keep|forget this");
  text.resize(4);
  REQUIRE((text.reveal() == "keep"));
  REQUIRE(is_zero(text.reveal().data() + 4, 12));
}

TEST_CASE("resizing upwards gives zeros") {
  ephemeral_text text("abc");
  text.resize(1);
  text.resize(10);
  REQUIRE(text.reveal()[0] == 'a');
  REQUIRE(is_zero(text.reveal().data() + 1, 9));
}

TEST_CASE("dropping the front moves the rest and wipes the place it leaves") {
  ephemeral_text text("forget|keep");
  text.drop_front(7);
  REQUIRE((text.reveal() == "keep"));
  REQUIRE(is_zero(text.reveal().data() + 4, 7));
}

TEST_CASE("dropping more than there is empties the buffer") {
  ephemeral_tokens tokens;
  tokens.push_back(1);
  tokens.drop_front(5);
  REQUIRE(tokens.empty());
}

TEST_CASE("clearing gives the memory back") {
  auto const before = locked_memory_usage().in_use_bytes;
  auto bytes = ephemeral_bytes::zeros(5000);
  REQUIRE(locked_memory_usage().in_use_bytes > before);
  bytes.clear();
  REQUIRE(bytes.empty());
  REQUIRE(locked_memory_usage().in_use_bytes == before);
}

TEST_CASE("a clone is a copy of its own") {
  ephemeral_text const original("text");
  auto copy = original.clone();
  copy.append("!");
  REQUIRE((original.reveal() == "text"));
  REQUIRE((copy.reveal() == "text!"));
}

TEST_CASE("a library's container lives in locked memory through the allocator") {
  auto const before = locked_memory_usage().in_use_bytes;
  char const* place = nullptr;
  {
    std::vector<char, ephemeral_allocator<char>> const letters(1000, 'x');
    place = letters.data();
    REQUIRE(locked_memory_usage().in_use_bytes >= before + 1000);
  }
  REQUIRE(locked_memory_usage().in_use_bytes == before);
  REQUIRE(is_zero(place + link_bytes, 1000 - link_bytes));
}
