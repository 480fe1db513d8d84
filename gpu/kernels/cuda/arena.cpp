#include "gpu/kernels/cuda/arena.hpp"

#include <algorithm>
#include <iterator>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::size_t granule = 256;

std::size_t rounded(std::size_t bytes) {
  return std::max((bytes + granule - 1) / granule * granule, granule);
}

} // namespace

arena::~arena() {
  for (auto const& each : regions_) queue_.clear(each.memory, each.bytes);
  // A device that fails here has lost its memory to everyone: freeing is all that is left to do.
  static_cast<void>(queue_.wait());
  for (auto const& each : regions_) queue_.free(each.memory, memory_place::device);
}

std::byte* arena::allocate(std::size_t bytes) noexcept try {
  auto const wanted = rounded(bytes);
  auto found =
      std::find_if(free_.begin(), free_.end(), [&](auto const& each) { return each.second >= wanted; });
  if (found == free_.end()) {
    auto size = std::max(wanted, region_bytes_);
    auto* memory = queue_.allocate(size, memory_place::device);
    if (memory == nullptr && size > wanted) memory = queue_.allocate(size = wanted, memory_place::device);
    if (memory == nullptr) return nullptr;
    queue_.clear(memory, size);
    regions_.push_back({memory, size});
    found = free_.emplace(memory, size).first;
  }
  auto const [memory, size] = *found;
  used_[memory] = wanted;
  used_bytes_ += wanted;
  free_.erase(found);
  if (size > wanted) free_.emplace(memory + wanted, size - wanted);
  return memory;
} catch (std::bad_alloc const&) {
  return nullptr;
}

void arena::release(std::byte* memory) noexcept {
  auto const known = used_.find(memory);
  if (known == used_.end()) return;
  queue_.clear(memory, known->second);
  used_bytes_ -= known->second;
  auto node = used_.extract(known); // moving the node: giving back allocates nothing
  auto const placed = free_.insert(std::move(node)).position;
  join(placed);
  if (placed != free_.begin()) join(std::prev(placed));
}

std::vector<std::span<std::byte const>> arena::areas() const {
  std::vector<std::span<std::byte const>> all;
  for (auto const& each : regions_) all.emplace_back(each.memory, each.bytes);
  return all;
}

/// Joins a free piece with the next, if they touch.
void arena::join(std::map<std::byte*, std::size_t>::iterator first) {
  auto const next = std::next(first);
  if (next == free_.end() || first->first + first->second != next->first ||
      !same_region(first->first, next->first))
    return;
  first->second += next->second;
  free_.erase(next);
}

bool arena::same_region(std::byte const* one, std::byte const* other) const noexcept {
  return std::any_of(regions_.begin(), regions_.end(), [&](region const& each) {
    auto const holds = [&](std::byte const* at) {
      return at >= each.memory && at < each.memory + each.bytes;
    };
    return holds(one) && holds(other);
  });
}

std::byte* workspace::reserve(std::size_t bytes) noexcept {
  if (bytes > bytes_) {
    arena_.release(data_);
    data_ = arena_.allocate(bytes);
    bytes_ = data_ == nullptr ? 0 : bytes;
    asked_ = 0;
    ++moves_;
    if (data_ == nullptr) return nullptr;
  }
  asked_ = std::max(asked_, bytes);
  return data_;
}

void workspace::scrub(device_queue& queue) {
  if (asked_ != 0) queue.clear(data_, asked_);
  asked_ = 0;
}

} // namespace mayfly::gpu::cuda
