#include "actors/gateway/log_output.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace mayfly::actors {
namespace {

constexpr auto lock_patience = std::chrono::seconds(1);
constexpr auto rolling_patience = std::chrono::seconds(5); ///< while others roll again and again

/// Without the lock after a second (its holder is frozen) lines are appended all the same: only a file that
/// is rolled at that moment could lose them.
void lock(int descriptor) {
  auto const end = std::chrono::steady_clock::now() + lock_patience;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

} // namespace

log_output::log_output(std::filesystem::path path, int descriptor, std::size_t roll_bytes,
                       unsigned kept_files)
    : path_(std::move(path)), roll_bytes_(roll_bytes), kept_files_(kept_files),
      descriptor_(path_.empty() ? descriptor : -1) {}

log_output::~log_output() {
  if (!path_.empty() && descriptor_ >= 0) close_file();
}

result<void> log_output::open() {
  if (path_.empty()) return {};
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor_ < 0) return error{errc::io, "cannot open the log", errno};
  return {};
}

bool log_output::write(std::string_view lines) {
  if (path_.empty()) return descriptor_ < 0 || write_all(descriptor_, lines);
  auto const end = std::chrono::steady_clock::now() + rolling_patience;
  while (std::chrono::steady_clock::now() < end) {
    // A file that could not be reopened after it was rolled is tried again with each batch.
    if (descriptor_ < 0 && !open()) return false;
    lock(descriptor_);
    bool rolled = false;
    bool const written = write_locked(lines, rolled);
    if (!rolled) {
      ::flock(descriptor_, LOCK_UN);
      return written;
    }
    close_file(); // and its lock
  }
  return false;
}

/// `rolled`: the descriptor is not the log any more.
bool log_output::write_locked(std::string_view lines, bool& rolled) {
  if (!is_current()) {
    rolled = true;
    return false;
  }
  struct stat facts{};
  auto const bytes = ::fstat(descriptor_, &facts) == 0 ? static_cast<std::size_t>(facts.st_size) : 0;
  if (bytes != 0 && bytes + lines.size() > roll_bytes_) {
    roll();
    rolled = !is_current(); // else the disk refuses: the file grows on
    if (rolled) return false;
  }
  return write_all(descriptor_, lines);
}

bool log_output::is_current() const {
  struct stat open_file{};
  struct stat named_file{};
  return ::fstat(descriptor_, &open_file) == 0 && ::stat(path_.c_str(), &named_file) == 0 &&
         open_file.st_ino == named_file.st_ino && open_file.st_dev == named_file.st_dev;
}

std::filesystem::path log_output::numbered(unsigned number) const {
  auto made = path_;
  made += "." + std::to_string(number);
  return made;
}

void log_output::roll() {
  std::error_code ignored;
  std::filesystem::remove(kept_files_ == 0 ? path_ : numbered(kept_files_), ignored);
  for (unsigned number = kept_files_; number > 1; --number)
    std::filesystem::rename(numbered(number - 1), numbered(number), ignored);
  if (kept_files_ != 0) std::filesystem::rename(path_, numbered(1), ignored);
}

void log_output::close_file() {
  ::close(descriptor_);
  descriptor_ = -1;
}

} // namespace mayfly::actors
