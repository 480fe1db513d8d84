#include "actors/accounts/key_file.hpp"

#include "actors/accounts/key_lines.hpp"
#include "protocol/base/clock.hpp"
#include "protocol/base/secret_comparison.hpp"
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/hash.hpp"
#include "protocol/crypto/random.hpp"
#include "protocol/crypto/secret_file.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mayfly::actors::accounts {
namespace {

constexpr std::size_t secret_bytes = 32;
constexpr std::size_t longest_key = 256;

/// What tells one state of the file from another: it is replaced as a whole, so the inode alone nearly does.
struct file_stamp {
  ino_t inode = 0;
  off_t bytes = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  friend bool operator==(file_stamp const&, file_stamp const&) = default;
};

file_stamp stamp_of(std::filesystem::path const& path) noexcept {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return {};
  return {facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
}

std::span<std::byte const> bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

/// Two commands that change the file at once must not lose each other's change.
class file_lock {
public:
  explicit file_lock(std::filesystem::path path) {
    path += ".lock";
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX) != 0) {
      ::close(descriptor_);
      descriptor_ = -1;
    }
  }
  file_lock(file_lock const&) = delete;
  file_lock& operator=(file_lock const&) = delete;
  ~file_lock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  bool held() const noexcept { return descriptor_ >= 0; }

private:
  int descriptor_ = -1;
};

result<std::vector<key_entry>> read_entries(std::filesystem::path const& path) {
  auto text = crypto::read_secret(path);
  if (!text) {
    if (text.failure().code == errc::not_found) return std::vector<key_entry>();
    return text.failure();
  }
  auto const bytes = std::as_const(*text).reveal();
  return parse_key_lines({reinterpret_cast<char const*>(bytes.data()), bytes.size()});
}

result<ephemeral_bytes> open_secret(std::filesystem::path const& path) {
  auto held = crypto::read_secret(path);
  if (!held && held.failure().code == errc::not_found) {
    auto made = crypto::random_bytes(secret_bytes);
    auto written = crypto::write_secret(path, std::as_const(made).reveal());
    if (!written) return written.failure();
    return made;
  }
  if (held && held->size() != secret_bytes)
    return error{errc::malformed, "the key file's secret has 32 bytes",
                 static_cast<std::int64_t>(held->size())};
  return held;
}

std::optional<account> search(std::vector<key_entry> const& entries, messages::bytes32 const& hash,
                              bool fits) {
  std::optional<account> found;
  // Every entry is compared: the time tells neither which matched nor whether one did.
  for (auto const& entry : entries) {
    bool const equal = equal_in_constant_time(entry.hash, hash);
    if (equal && entry.revoked_unix_ms == 0 && fits) found = entry.owner;
  }
  return found;
}

} // namespace

struct key_file::state {
  std::filesystem::path path;
  std::chrono::milliseconds check_every{};
  ephemeral_bytes secret;
  std::mutex mutex;
  std::shared_ptr<std::vector<key_entry> const> entries;
  file_stamp stamp;
  std::atomic<std::int64_t> checked_at_ns{0};

  messages::bytes32 hash_of(std::string_view key) const {
    auto const hashed = crypto::keyed_hash(secret.reveal(), bytes_of(key));
    return hashed ? *hashed : messages::bytes32{};
  }

  /// A file that cannot be read right now keeps what was read last: an operator's slip must not lock
  /// everybody out, and write_secret replaces files whole.
  void reload() {
    auto const now = stamp_of(path);
    std::scoped_lock guard(mutex);
    if (entries && now == stamp) return;
    auto read = read_entries(path);
    if (!read) return;
    entries = std::make_shared<std::vector<key_entry> const>(std::move(*read));
    stamp = now;
  }

  void reload_when_due() {
    auto const now = boot_clock::now().time_since_epoch();
    auto last = checked_at_ns.load(std::memory_order_relaxed);
    if (now - std::chrono::nanoseconds(last) < check_every) return;
    if (checked_at_ns.compare_exchange_strong(last, now.count())) reload();
  }

  std::shared_ptr<std::vector<key_entry> const> current() {
    std::scoped_lock guard(mutex);
    return entries;
  }

  /// Reads, changes and replaces the file under its lock.
  template <class Change>
  result<void> change(Change apply) {
    file_lock const alone(path);
    if (!alone.held()) return error{errc::io, "cannot lock the key file", errno};
    auto read = read_entries(path);
    if (!read) return read.failure();
    auto applied = apply(*read);
    if (!applied) return applied;
    auto written = crypto::write_secret(path, bytes_of(format_key_lines(*read)));
    if (!written) return written;
    reload();
    return {};
  }
};

key_file::key_file(std::unique_ptr<state> opened) : state_(std::move(opened)) {}
key_file::~key_file() = default;

result<std::unique_ptr<key_file>> key_file::open(std::filesystem::path path,
                                                 std::chrono::milliseconds check_every) {
  auto made = std::make_unique<state>();
  made->path = std::move(path);
  made->check_every = check_every;
  auto secret_path = made->path;
  secret_path += ".secret";
  {
    file_lock const alone(made->path);
    auto secret = open_secret(secret_path);
    if (!secret) return secret.failure();
    made->secret = std::move(*secret);
  }
  made->stamp = stamp_of(made->path);
  auto read = read_entries(made->path);
  if (!read) return read.failure();
  made->entries = std::make_shared<std::vector<key_entry> const>(std::move(*read));
  return std::unique_ptr<key_file>(new key_file(std::move(made)));
}

std::optional<account> key_file::find(std::string_view key) const {
  state_->reload_when_due();
  auto const hash = state_->hash_of(key.substr(0, longest_key));
  bool const fits = key.size() <= longest_key;
  auto const found = search(*state_->current(), hash, fits);
  if (found || !fits) return found;
  state_->reload(); // a key works as soon as it is made
  return search(*state_->current(), hash, fits);
}

result<new_key> key_file::add(std::string_view title) {
  auto parsed = name::parse(title);
  if (!parsed) return error{errc::invalid_request, parsed.failure().what, parsed.failure().number};
  new_key made;
  made.owner = {account_id::make(), *parsed};
  auto const random = crypto::random_bytes(secret_bytes);
  made.key.append("mf-");
  made.key.append(crypto::secret_to_base64url(random.reveal()).reveal());
  auto changed = state_->change([&](std::vector<key_entry>& entries) -> result<void> {
    for (auto const& entry : entries)
      if (entry.owner.title == made.owner.title && entry.revoked_unix_ms == 0)
        return error{errc::invalid_request, "an account of this name has a key already", 0};
    entries.push_back({made.owner, state_->hash_of(made.key.reveal()), unix_milliseconds(), 0});
    return {};
  });
  if (!changed) return changed.failure();
  return made;
}

result<void> key_file::revoke(std::string_view title) {
  return state_->change([&](std::vector<key_entry>& entries) -> result<void> {
    for (auto& entry : entries)
      if (entry.owner.title.view() == title && entry.revoked_unix_ms == 0) {
        entry.revoked_unix_ms = unix_milliseconds();
        return {};
      }
    return error{errc::not_found, "no account of this name has a key in force", 0};
  });
}

result<std::vector<key_entry>> key_file::list() const { return read_entries(state_->path); }

} // namespace mayfly::actors::accounts
