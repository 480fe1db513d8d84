#include "gpu/kernels/cuda/staging.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstring>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::size_t least_bytes = std::size_t{256} << 10U;
constexpr std::size_t piece_bytes = std::size_t{16} << 20U; // of what is larger: copied piece by piece
constexpr std::size_t granule = 64;

} // namespace

staging::~staging() {
  static_cast<void>(queue_.wait());
  scrub();
  queue_.free(data_, memory_place::pinned);
}

std::byte* staging::take(std::size_t bytes) {
  auto const wanted = (bytes + granule - 1) / granule * granule;
  if (wanted > bytes_ - taken_) {
    static_cast<void>(queue_.wait()); // a failure stays with the queue
    taken_ = 0;
  }
  if (wanted > bytes_) {
    scrub();
    queue_.free(data_, memory_place::pinned);
    auto const size = std::max({wanted, bytes_ * 2, least_bytes});
    data_ = queue_.allocate(size, memory_place::pinned);
    bytes_ = data_ == nullptr ? 0 : size;
    if (data_ == nullptr) return nullptr;
    wipe(data_, bytes_); // pinned memory may come as others left it
  }
  auto* const taken = data_ + taken_;
  taken_ += wanted;
  dirty_ = std::max(dirty_, taken_);
  return taken;
}

bool staging::send(void const* from, std::size_t bytes, void* to) {
  for (std::size_t at = 0; at < bytes; at += piece_bytes) {
    auto const count = std::min(piece_bytes, bytes - at);
    auto* const piece = take(count);
    if (piece == nullptr) return false;
    std::memcpy(piece, static_cast<std::byte const*>(from) + at, count);
    queue_.copy(static_cast<std::byte*>(to) + at, piece, count);
  }
  return true;
}

bool staging::fetch(void const* from, std::size_t bytes, void* to) {
  for (std::size_t at = 0; at < bytes; at += piece_bytes) {
    auto const count = std::min(piece_bytes, bytes - at);
    auto* const piece = take(count);
    if (piece == nullptr) return false;
    queue_.copy(piece, static_cast<std::byte const*>(from) + at, count);
    if (!queue_.wait()) return false;
    std::memcpy(static_cast<std::byte*>(to) + at, piece, count);
    taken_ = 0;
  }
  return true;
}

void staging::scrub() noexcept {
  if (data_ != nullptr) wipe(data_, dirty_);
  dirty_ = 0;
}

} // namespace mayfly::gpu::cuda
