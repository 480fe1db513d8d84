#pragma once
// How the oracles' Python talks to mayfly_oracle: frames of a little-endian u32 length and that many bytes,
// on standard input until its end and on standard output. The program is a tool for texts that anybody may
// read; it keeps them in ordinary memory.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace mayfly::oracle {

using frame = std::string;

/// The next frame of standard input; nothing at its end, or where it is cut off.
inline std::optional<frame> read_frame() {
  std::uint32_t size = 0;
  if (std::fread(&size, sizeof size, 1, stdin) != 1) return std::nullopt;
  frame content(size, '\0');
  if (std::fread(content.data(), 1, size, stdin) != size) return std::nullopt;
  return content;
}

/// Writes one frame of plain values to standard output.
template <class T>
void write_frame(std::span<T const> values) {
  auto const size = static_cast<std::uint32_t>(values.size_bytes());
  std::fwrite(&size, sizeof size, 1, stdout);
  std::fwrite(values.data(), 1, size, stdout);
}

/// A frame of 32-bit ids.
template <class Id>
std::vector<Id> ids_of(frame const& content) {
  static_assert(sizeof(Id) == 4);
  std::vector<Id> ids(content.size() / sizeof(Id));
  std::memcpy(ids.data(), content.data(), ids.size() * sizeof(Id));
  return ids;
}

} // namespace mayfly::oracle
