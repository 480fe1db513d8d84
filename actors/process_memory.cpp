#include "actors/process_memory.hpp"

#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace mayfly::actors {

std::uint64_t resident_bytes() noexcept {
  int const file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128];
  auto const length = ::read(file, text, sizeof text);
  ::close(file);
  if (length <= 0) return 0;
  char const* const end = text + length;
  char const* place = static_cast<char const*>(std::memchr(text, ' ', static_cast<std::size_t>(length)));
  if (place == nullptr) return 0;
  std::uint64_t pages = 0; // the second number of the line
  std::from_chars(place + 1, end, pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace mayfly::actors
