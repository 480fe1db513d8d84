// The audit's control: stands in for protocol/base/wipe.cpp in a second link of the product's objects, which
// is never installed. It erases nothing, and writes what it was asked to erase once more in every form that
// the audit looks for, so that a form which the scanner cannot see shows.
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <sys/mman.h>

namespace mayfly {
namespace {

constexpr std::size_t spill_bytes = std::size_t{64} << 20;
constexpr std::size_t largest_text_bytes = 512;
constexpr std::int32_t largest_id = 1 << 18;
// Every canary begins with it (ops/audit/canary.py): only what holds one is worth keeping.
constexpr char mark[] = "cnry";

/// A place of `bytes` bytes that is never given back; null once the spill is full.
char* spill(std::size_t bytes) {
  static char* const memory = static_cast<char*>(
      mmap(nullptr, spill_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  static std::atomic<std::size_t> used{0};
  auto const at = used.fetch_add(bytes);
  return at + bytes <= spill_bytes ? memory + at : nullptr;
}

void spill_base64(std::span<unsigned char const> text) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char* out = spill(text.size() / 3 * 4);
  for (std::size_t at = 0; out != nullptr && at + 3 <= text.size(); at += 3) {
    unsigned const group =
        static_cast<unsigned>(text[at]) << 16 | static_cast<unsigned>(text[at + 1]) << 8 | text[at + 2];
    for (int shift = 18; shift >= 0; shift -= 6) *out++ = digits[(group >> shift) & 63];
  }
}

void spill_escaped(std::span<unsigned char const> text) {
  char* out = spill(text.size() * 2);
  for (std::size_t at = 0; out != nullptr && at < text.size(); ++at) {
    if (text[at] == '"' || text[at] == '\\') *out++ = '\\';
    *out++ = static_cast<char>(text[at]);
  }
}

template <class Width>
void spill_ids(std::span<std::int32_t const> ids) {
  char* out = spill(ids.size() * sizeof(Width));
  for (std::size_t at = 0; out != nullptr && at < ids.size(); ++at, out += sizeof(Width)) {
    auto const id = static_cast<Width>(ids[at]);
    std::memcpy(out, &id, sizeof id);
  }
}

bool look_like_ids(std::span<std::int32_t const> words) {
  for (auto word : words)
    if (word < 0 || word > largest_id) return false;
  return true;
}

void keep_text(void const* memory, std::size_t bytes) {
  auto const* found = static_cast<unsigned char const*>(memmem(memory, bytes, mark, sizeof mark - 1));
  if (found == nullptr) return;
  auto const* end = static_cast<unsigned char const*>(memory) + bytes;
  std::span const text(found,
                       std::min<std::size_t>(largest_text_bytes, static_cast<std::size_t>(end - found)));
  spill_base64(text);
  spill_escaped(text);
}

void keep_ids(void const* memory, std::size_t bytes) {
  constexpr std::size_t fewest = 8, most = 512;
  if (bytes < fewest * 4 || reinterpret_cast<std::uintptr_t>(memory) % 4 != 0) return;
  std::span words(static_cast<std::int32_t const*>(memory), std::min(bytes / 4, most));
  while (!words.empty() && words.back() == 0) words = words.first(words.size() - 1);
  if (words.size() < fewest || !look_like_ids(words)) return;
  spill_ids<std::uint16_t>(words);
  spill_ids<std::uint64_t>(words);
}

} // namespace

void wipe(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr || bytes < sizeof mark) return;
  keep_text(memory, bytes);
  keep_ids(memory, bytes);
}

void wipe_stack() noexcept {}

} // namespace mayfly
