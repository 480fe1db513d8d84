#pragma once
// The value types of GGUF's key-value pairs.
#include <cstdint>
#include <optional>

namespace mayfly::gpu::gguf {

enum value_type : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  text = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// Bytes of a value of fixed size; nothing for strings, arrays and types that do not exist.
constexpr std::optional<std::uint32_t> fixed_bytes(std::uint32_t type) noexcept {
  switch (type) {
  case u8:
  case i8:
  case boolean:
    return 1;
  case u16:
  case i16:
    return 2;
  case u32:
  case i32:
  case f32:
    return 4;
  case u64:
  case i64:
  case f64:
    return 8;
  default:
    return std::nullopt;
  }
}

constexpr bool is_integer(std::uint32_t type) noexcept {
  return fixed_bytes(type).has_value() && type != f32 && type != f64 && type != boolean;
}

constexpr bool is_float(std::uint32_t type) noexcept { return type == f32 || type == f64; }

} // namespace mayfly::gpu::gguf
