#pragma once
// Reads MessagePack from outside. The whole input is checked and bounded first: its values land on a flat
// list in ephemeral memory (16 bytes a value; texts and binaries stay where they are). Then values are taken
// in order. The library stays in reader.cpp.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace mayfly::wire {

/// Bounds on what is accepted from outside; checked before anything is allocated for it.
struct limits {
  std::size_t max_bytes = std::size_t{64} << 20; ///< of the whole input; at most 2^32-1
  std::uint32_t max_depth = 16;                  ///< arrays and maps within each other
  std::uint32_t max_values = 1U << 18;           ///< scalars, arrays and maps, tags included
};

/// Takes values in the order in which they stand. The first problem sticks: from then on every call returns
/// zero or nothing and `failure` tells. Errors: truncated, malformed (`number`: byte offset for broken
/// MessagePack; for a value that is not what was expected its place among all values, from 0), too_large (a
/// bound; `number`: the bound), out_of_memory. What `text` and `binary` return lies in the input.
class reader {
public:
  reader(std::span<std::byte const> input, limits const& bounds);

  bool fine() const noexcept { return failure_.code == errc::ok; }
  error const& failure() const noexcept { return failure_; }
  /// Records a problem with the value taken last, unless there was one before.
  void fail(errc code, literal what);

  std::uint32_t map();
  std::uint32_t array();
  /// Smaller or larger integers than the bounds are malformed.
  std::uint64_t unsigned_integer(std::uint64_t largest);
  std::int64_t signed_integer(std::int64_t smallest, std::int64_t largest);
  bool boolean();
  float float32();
  double float64();
  std::string_view text();
  std::span<std::byte const> binary();
  /// Passes over one value of any type with all that is in it.
  void skip();

private:
  friend struct tape_visitor;
  enum class type : std::uint32_t {
    nil,
    boolean,
    natural,
    negative,
    float32,
    float64,
    text,
    binary,
    extension,
    array,
    map
  };
  /// `bits`: the number, or the offset of the bytes in the input. `size`: bytes, elements or entries.
  struct value {
    std::uint64_t bits;
    std::uint32_t size;
    type kind;
  };
  value take(type expected);
  std::span<std::byte const> bytes_of(value const& taken) const;

  std::span<std::byte const> input_;
  ephemeral_buffer<value> tape_;
  std::size_t next_ = 0;
  error failure_{errc::ok, "", 0};
};

/// Walks a map whose keys are ascending tags. Unknown tags are passed over; a tag that does not ascend (a
/// duplicate above all) or is no positive integer is malformed.
class map_cursor {
public:
  explicit map_cursor(reader& from) : reader_(from), remaining_(from.map()) { advance(); }

  /// Calls `read()`, which takes exactly one value, if the map holds this tag. Tags must be asked for in
  /// ascending order.
  template <class Read>
  void at(std::uint8_t tag, Read&& read) {
    pass_over(tag);
    if (!live_ || tag_ != tag) return;
    read();
    advance();
  }
  /// Passes over what is left.
  void finish() { pass_over(~std::uint64_t{0}); }

private:
  void pass_over(std::uint64_t below);
  void advance();

  reader& reader_;
  std::uint32_t remaining_;
  std::uint64_t tag_ = 0;
  bool live_ = true;
};

} // namespace mayfly::wire
