#include "gpu/collective/shared_memory/segment.hpp"

#include "protocol/base/locked_memory.hpp"
#include "protocol/base/wipe.hpp"

#include <cerrno>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mayfly::gpu::shared_memory {
namespace {

constexpr std::uint64_t magic_number = 0x4d41594641524b31; // "MAYFARK1"
constexpr std::size_t most_slot_floats = std::size_t{1} << 28U;

std::size_t bytes_of(std::uint32_t ranks, std::size_t slot_floats) {
  return sizeof(control_block) + std::size_t{ranks} * 2 * slot_floats * sizeof(float);
}

error system_failure(literal what) { return {errc::io, what, errno}; }

bool fits(control_block const& control, std::size_t bytes) {
  return control.magic == magic_number && control.ranks >= 1 && control.ranks <= most_ranks &&
         control.slot_floats >= 1 && control.slot_floats <= most_slot_floats &&
         bytes == bytes_of(control.ranks, control.slot_floats);
}

} // namespace

result<segment> segment::map_sized(int descriptor, std::size_t bytes) {
  segment made;
  made.descriptor_ = descriptor;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return system_failure("the ranks' shared memory cannot be mapped (errno)");
  made.memory_ = memory;
  made.bytes_ = bytes;
  lock_content(memory, bytes);
  return made;
}

result<segment> segment::create(std::uint32_t ranks, std::size_t slot_floats) {
  if (ranks == 0 || ranks > most_ranks || slot_floats == 0 || slot_floats > most_slot_floats)
    return error{errc::invalid_request, "no shape for ranks' shared memory (ranks)", ranks};
  int const file = ::memfd_create("mayfly-ranks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return system_failure("the ranks' shared memory cannot be made (errno)");
  auto const bytes = bytes_of(ranks, slot_floats);
  bool const sized = ::ftruncate(file, static_cast<off_t>(bytes)) == 0 &&
                     ::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
  if (!sized) {
    auto const failed = system_failure("the ranks' shared memory cannot be sized (errno)");
    ::close(file);
    return failed;
  }
  auto made = map_sized(file, bytes);
  if (!made) return made;
  auto& control = *new (made->memory_) control_block{};
  control.ranks = ranks;
  control.slot_floats = slot_floats;
  control.magic = magic_number;
  return made;
}

result<segment> segment::map(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || status.st_size < static_cast<off_t>(sizeof(control_block)))
    return error{errc::malformed, "no shared memory of ranks", 0};
  if ((::fcntl(descriptor, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
    return error{errc::malformed, "shared memory of ranks that is not sealed", 0};
  int const own = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return system_failure("the ranks' shared memory cannot be opened (errno)");
  auto mapped = map_sized(own, static_cast<std::size_t>(status.st_size));
  if (mapped && !fits(mapped->control(), mapped->bytes_))
    return error{errc::malformed, "no shared memory of ranks", 0};
  return mapped;
}

segment::~segment() {
  if (memory_ != nullptr) {
    unlock_content(memory_, bytes_);
    ::munmap(memory_, bytes_);
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::span<float> segment::slot(std::uint32_t rank, std::uint32_t parity) const noexcept {
  auto const floats = control().slot_floats;
  auto* const first = reinterpret_cast<float*>(static_cast<std::byte*>(memory_) + sizeof(control_block));
  return {first + (std::size_t{rank} * 2 + parity) * floats, floats};
}

void segment::wipe_slots() const noexcept {
  wipe(static_cast<std::byte*>(memory_) + sizeof(control_block), bytes_ - sizeof(control_block));
}

} // namespace mayfly::gpu::shared_memory
