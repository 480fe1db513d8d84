#pragma once
// Appends MessagePack values to an ephemeral buffer, each in its smallest form. The library stays in
// writer.cpp.
#include "protocol/base/ephemeral.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace mayfly::wire {

/// Writes into a buffer that it does not own and that must outlive it. A text, binary, array or map of more
/// than 2^32-1 bytes or elements cannot be written: std::length_error (a programming error; senders bound
/// content long before). Throws std::bad_alloc where the buffer cannot grow.
class writer {
public:
  explicit writer(ephemeral_bytes& out) noexcept : out_(out) {}

  void map(std::size_t entries);
  void array(std::size_t elements);
  void unsigned_integer(std::uint64_t value);
  void signed_integer(std::int64_t value);
  void boolean(bool value);
  void float32(float value);
  void float64(double value);
  void text(std::string_view value);
  void binary(std::span<std::byte const> value);

  /// Whatever is written between the two calls becomes the bytes of one binary. `end_binary` takes what
  /// `begin_binary` returned. No copy of 64 KiB and more; smaller ones move by up to 3 bytes.
  std::size_t begin_binary();
  void end_binary(std::size_t start);

private:
  ephemeral_bytes& out_;
};

} // namespace mayfly::wire
