#include "actors/gateway/log_output.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace mayfly::actors {
namespace {

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
  if (!path_.empty() && descriptor_ >= 0) ::close(descriptor_);
}

result<void> log_output::open() {
  if (path_.empty()) return {};
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor_ < 0) return error{errc::io, "cannot open the log", errno};
  struct stat facts{};
  bytes_ = ::fstat(descriptor_, &facts) == 0 ? static_cast<std::size_t>(facts.st_size) : 0;
  return {};
}

bool log_output::write(std::string_view lines) {
  // A file that could not be reopened after it was rolled is tried again with each batch.
  if (!path_.empty() && descriptor_ < 0 && !open()) return false;
  if (descriptor_ < 0) return true;
  if (!path_.empty() && bytes_ != 0 && bytes_ + lines.size() > roll_bytes_ && !roll()) return false;
  bytes_ += lines.size();
  return write_all(descriptor_, lines);
}

std::filesystem::path log_output::numbered(unsigned number) const {
  auto made = path_;
  made += "." + std::to_string(number);
  return made;
}

bool log_output::roll() {
  ::close(descriptor_);
  descriptor_ = -1;
  std::error_code ignored;
  std::filesystem::remove(kept_files_ == 0 ? path_ : numbered(kept_files_), ignored);
  for (unsigned number = kept_files_; number > 1; --number)
    std::filesystem::rename(numbered(number - 1), numbered(number), ignored);
  if (kept_files_ != 0) std::filesystem::rename(path_, numbered(1), ignored);
  return open().has_value();
}

} // namespace mayfly::actors
