#pragma once
// The sizes of operations since the last scrub, so that zeros of the same sizes follow the same ways through
// NCCL's buffers. It chooses algorithm, protocol and channels by size, at bounds that it does not tell: the
// smallest and the largest of each power of two are kept.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace mayfly::gpu::nccl {

class used_sizes {
public:
  void note(std::size_t count) noexcept {
    auto& kept = classes_[static_cast<std::size_t>(std::bit_width(count))];
    kept.smallest = kept.largest == 0 ? count : std::min(kept.smallest, count);
    kept.largest = std::max(kept.largest, count);
  }
  void for_each(auto const& work) const {
    for (auto const& kept : classes_) {
      if (kept.largest == 0) continue;
      work(kept.largest);
      if (kept.smallest != kept.largest) work(kept.smallest);
    }
  }
  void clear() noexcept { classes_ = {}; }

private:
  struct bounds {
    std::size_t smallest = 0, largest = 0;
  };
  std::array<bounds, 65> classes_;
};

} // namespace mayfly::gpu::nccl
