#include "protocol/crypto/secret_file.hpp"

#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/random.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mayfly::crypto {
namespace {

class descriptor {
public:
  explicit descriptor(int number) : number_(number) {}
  descriptor(descriptor const&) = delete;
  descriptor& operator=(descriptor const&) = delete;
  ~descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const noexcept { return number_; }

private:
  int number_;
};

error system_failure(literal what) { return {errc::io, what, errno}; }

result<void> check(struct stat const& status) {
  if (!S_ISREG(status.st_mode))
    return error{errc::not_permitted, "a secret is a regular file", status.st_mode};
  if ((status.st_mode & 0177U) != 0)
    return error{errc::not_permitted, "a secret file must have mode 0600", status.st_mode & 07777U};
  // Root reads what it keeps for its unprivileged children.
  if (status.st_uid != geteuid() && status.st_uid != 0 && geteuid() != 0)
    return error{errc::not_permitted, "a secret file belongs to another user", status.st_uid};
  if (status.st_size > static_cast<off_t>(largest_secret_bytes))
    return error{errc::too_large, "a secret file of more than 1 MiB", status.st_size};
  return {};
}

result<void> write_all(int file, std::span<std::byte const> bytes) {
  while (!bytes.empty()) {
    auto const written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure("cannot write a secret");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

/// Where root writes into a directory of another user, the file is that user's: who reads it owns it.
result<void> give_to_owner(int file, std::filesystem::path const& path) {
  if (geteuid() != 0) return {};
  struct stat folder{};
  auto const directory = path.parent_path().empty() ? std::filesystem::path(".") : path.parent_path();
  if (stat(directory.c_str(), &folder) != 0 || fchown(file, folder.st_uid, folder.st_gid) != 0)
    return system_failure("cannot give a secret file to its directory's owner");
  return {};
}

/// Makes the rename itself durable; a file system that cannot flush a directory keeps its own promises.
void flush_directory(std::filesystem::path const& directory) {
  descriptor const folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number() >= 0) fsync(folder.number());
}

std::filesystem::path beside(std::filesystem::path const& path) {
  std::array<std::byte, 8> random{};
  fill_random(random);
  auto name = path.filename().string() + "." + to_hexadecimal(random);
  return path.parent_path().empty() ? std::filesystem::path(name) : path.parent_path() / name;
}

} // namespace

result<ephemeral_bytes> read_secret(std::filesystem::path const& path) {
  descriptor const file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.number() < 0 && errno == ENOENT) return error{errc::not_found, "no such secret file", ENOENT};
  if (file.number() < 0) return system_failure("cannot open a secret file");
  struct stat status{};
  if (fstat(file.number(), &status) != 0) return system_failure("cannot examine a secret file");
  auto const checked = check(status);
  if (!checked) return checked.failure();
  auto secret = ephemeral_bytes::zeros(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < secret.size()) {
    auto const rest = secret.reveal().subspan(filled);
    auto const got = read(file.number(), rest.data(), rest.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("cannot read a secret file");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  secret.resize(filled);
  return secret;
}

result<void> write_secret(std::filesystem::path const& path, std::span<std::byte const> secret) {
  auto const draft = beside(path);
  result<void> written;
  {
    descriptor const file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.number() < 0) return system_failure("cannot create a secret file");
    // The process's umask may take bits away, never add them; 0600 is what readers demand.
    if (fchmod(file.number(), 0600) != 0) written = system_failure("cannot protect a secret file");
    if (written) written = give_to_owner(file.number(), path);
    if (written) written = write_all(file.number(), secret);
    if (written && fsync(file.number()) != 0) written = system_failure("cannot flush a secret file");
  }
  if (written && rename(draft.c_str(), path.c_str()) != 0)
    written = system_failure("cannot rename a secret file");
  if (written)
    flush_directory(path.parent_path().empty() ? "." : path.parent_path());
  else
    unlink(draft.c_str());
  return written;
}

} // namespace mayfly::crypto
