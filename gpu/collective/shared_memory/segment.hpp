#pragma once
// The memory that the ranks of one host share: a sealed memory file, locked and left out of dumps, with a
// control line and two slots a rank. It holds activations: whoever ends with it wipes it.
#include "protocol/base/result.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <utility>

namespace mayfly::gpu::shared_memory {

inline constexpr std::uint32_t most_ranks = 16;

/// A rank's line: how many operations it has put its share of into its slots.
struct alignas(64) rank_line {
  std::atomic<std::uint32_t> posted;
  std::atomic<std::uint32_t> sleepers; ///< ranks that wait on `posted` in the kernel
};

struct control_block {
  std::uint64_t magic;
  std::uint32_t ranks;
  std::uint64_t slot_floats;
  alignas(64) std::atomic<std::uint32_t> aborted_by; ///< 1 + the rank that failed; 0: none
  std::array<rank_line, most_ranks> lines;
};

class segment {
public:
  /// A new one. Errors: io, invalid_request (no ranks or too many), out_of_memory.
  static result<segment> create(std::uint32_t ranks, std::size_t slot_floats);
  /// One that another process made. Errors: io, malformed (not a segment, or another's shape).
  static result<segment> map(int descriptor);

  segment(segment&& other) noexcept { swap(other); }
  segment& operator=(segment&& other) noexcept {
    segment(std::move(other)).swap(*this);
    return *this;
  }
  ~segment();

  /// To hand to another process; stays this object's.
  int descriptor() const noexcept { return descriptor_; }

  control_block& control() const noexcept { return *static_cast<control_block*>(memory_); }
  /// One of a rank's two slots, `parity` 0 or 1.
  std::span<float> slot(std::uint32_t rank, std::uint32_t parity) const noexcept;
  /// Zeroes every slot. Only where no rank computes any more.
  void wipe_slots() const noexcept;

private:
  segment() = default;
  static result<segment> map_sized(int descriptor, std::size_t bytes);
  void swap(segment& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
  }

  int descriptor_ = -1;
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

} // namespace mayfly::gpu::shared_memory
