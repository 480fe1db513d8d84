#include "protocol/base/locked_memory.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

using namespace mayfly;

namespace {

// The pool's free list keeps one pointer at the head of a block that came back; everything behind it is zero.
constexpr std::size_t link_bytes = sizeof(void*);

std::span<unsigned char> take(std::size_t bytes, std::size_t alignment = 16) {
  return {static_cast<unsigned char*>(locked_memory().allocate(bytes, alignment)), bytes};
}
void give_back(std::span<unsigned char> block, std::size_t alignment = 16) {
  locked_memory().deallocate(block.data(), block.size(), alignment);
}
bool is_zero(std::span<unsigned char const> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == 0; });
}

} // namespace

TEST_CASE("a pooled block is zero once it came back") {
  for (std::size_t const bytes : {64U, 100U, 4096U, 1U << 20}) {
    auto const block = take(bytes);
    std::memset(block.data(), 0xab, bytes);
    give_back(block);
    REQUIRE(is_zero(block.subspan(link_bytes)));
  }
}

TEST_CASE("a block is handed out zero, the free list's own trace included") {
  for (int round = 0; round < 3; ++round) {
    auto const first = take(500);
    auto const second = take(500);
    REQUIRE(is_zero(first));
    REQUIRE(is_zero(second));
    std::memset(first.data(), 0xff, first.size());
    std::memset(second.data(), 0xff, second.size());
    give_back(first);
    give_back(second);
  }
}

TEST_CASE("a block that came back is used again") {
  auto const first = take(300);
  give_back(first);
  auto const second = take(400); // of the same size class
  REQUIRE(second.data() == first.data());
  give_back(second);
}

TEST_CASE("what is in use counts whole size classes") {
  auto const before = locked_memory_usage().in_use_bytes;
  auto const small = take(1);
  REQUIRE(locked_memory_usage().in_use_bytes == before + 64);
  auto const medium = take(65);
  REQUIRE(locked_memory_usage().in_use_bytes == before + 64 + 128);
  auto const largest = take(std::size_t{1} << 20);
  REQUIRE(locked_memory_usage().in_use_bytes == before + 64 + 128 + (std::size_t{1} << 20));
  give_back(small);
  give_back(medium);
  give_back(largest);
  REQUIRE(locked_memory_usage().in_use_bytes == before);
}

TEST_CASE("a block beyond a megabyte is mapped alone and unmapped when it comes back") {
  auto const before = locked_memory_usage();
  constexpr std::size_t bytes = (std::size_t{1} << 20) + 1;
  auto const block = take(bytes);
  REQUIRE(is_zero(block));
  block.back() = 1;
  REQUIRE(locked_memory_usage().reserved_bytes == before.reserved_bytes + (std::size_t{1} << 20) + 4096);
  give_back(block);
  REQUIRE(locked_memory_usage().reserved_bytes == before.reserved_bytes);
  REQUIRE(locked_memory_usage().in_use_bytes == before.in_use_bytes);
}

TEST_CASE("blocks are aligned as asked, up to a page") {
  for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2)
    for (std::size_t const bytes : {1U, 64U, 192U, 5000U, 2U << 20}) {
      auto const block = take(bytes, alignment);
      REQUIRE(reinterpret_cast<std::uintptr_t>(block.data()) % alignment == 0);
      give_back(block, alignment);
    }
}

TEST_CASE("an alignment beyond a page is refused") { REQUIRE_THROWS_AS(take(64, 8192), std::bad_alloc); }

TEST_CASE("blocks in use at one time do not overlap") {
  std::vector<std::span<unsigned char>> blocks;
  for (std::size_t index = 0; index < 500; ++index) {
    blocks.push_back(take(1 + index * 37 % 9000));
    std::memset(blocks.back().data(), static_cast<int>(index % 251), blocks.back().size());
  }
  for (std::size_t index = 0; index < blocks.size(); ++index) {
    auto const expected = static_cast<unsigned char>(index % 251);
    REQUIRE(
        std::all_of(blocks[index].begin(), blocks[index].end(), [&](auto byte) { return byte == expected; }));
  }
  for (auto const block : blocks) give_back(block);
}

TEST_CASE("threads may take and give back at once") {
  auto const before = locked_memory_usage().in_use_bytes;
  std::vector<int> torn(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t which = 0; which < torn.size(); ++which)
    threads.emplace_back([&torn, which] {
      for (std::size_t round = 0; round < 3000; ++round) {
        auto const block = take(1 + round % 700);
        torn[which] += !is_zero(block);
        std::memset(block.data(), static_cast<int>(which + 1), block.size());
        torn[which] += block.front() != which + 1 || block.back() != which + 1;
        give_back(block);
      }
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(torn == std::vector<int>(4, 0));
  REQUIRE(locked_memory_usage().in_use_bytes == before);
}
