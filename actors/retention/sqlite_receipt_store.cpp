#include "actors/retention/sqlite_receipt_store.hpp"

#include "actors/retention/sqlite_paths.hpp"
#include "actors/retention/sqlite_statement.hpp"
#include "protocol/msgpack/codec.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace mayfly::actors {
namespace {

constexpr std::int64_t schema = 1;

// Request ids are 16 bytes: retention instance, serial. The chain is receipts by counter; its head's hash is
// kept beside it, for it is asked in every answer.
// Nobody else opens the file: exclusive locking spares each commit the locks and the shared index. Small
// pages: a commit writes whole ones, and touches five. A checkpoint waits for the disk, and with it everyone
// who opens a lease: one in ten thousand pages (some two thousand requests) stays out of the 99th percentile.
constexpr char const* tables = R"(
  PRAGMA page_size=1024;
  PRAGMA locking_mode=EXCLUSIVE;
  PRAGMA journal_mode=WAL;
  PRAGMA synchronous=NORMAL;
  PRAGMA wal_autocheckpoint=10000;
  PRAGMA secure_delete=ON;
  CREATE TABLE IF NOT EXISTS leases (
    request BLOB PRIMARY KEY, account BLOB NOT NULL, model TEXT NOT NULL, policy INTEGER NOT NULL,
    gateway INTEGER NOT NULL, keeper INTEGER NOT NULL, opened_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    unconfirmed INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS holders (
    request BLOB NOT NULL, holder INTEGER NOT NULL, choice INTEGER NOT NULL,
    PRIMARY KEY (request, holder, choice)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS receipts (counter INTEGER PRIMARY KEY, request BLOB NOT NULL, body BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS receipts_by_request ON receipts (request);
  CREATE TABLE IF NOT EXISTS chain (id INTEGER PRIMARY KEY CHECK (id = 1), counter INTEGER NOT NULL,
    hash BLOB NOT NULL);
  PRAGMA user_version=1;
)";

enum query : std::size_t {
  insert_lease,
  insert_holder,
  insert_receipt,
  delete_lease,
  delete_holders,
  mark_unconfirmed,
  write_head,
  read_head,
  find_receipt,
  all_leases,
  all_holders,
  query_count
};
constexpr char const* texts[query_count] = {
    "INSERT OR REPLACE INTO leases VALUES (?,?,?,?,?,?,?,?,?)",
    "INSERT OR IGNORE INTO holders VALUES (?,?,?)",
    "INSERT INTO receipts VALUES (?,?,?)",
    "DELETE FROM leases WHERE request=?",
    "DELETE FROM holders WHERE request=?",
    "UPDATE leases SET unconfirmed=1 WHERE request=?",
    "INSERT OR REPLACE INTO chain VALUES (1,?,?)",
    "SELECT counter, hash FROM chain WHERE id=1",
    "SELECT body FROM receipts WHERE request=? ORDER BY counter DESC LIMIT 1",
    "SELECT request, account, model, policy, gateway, keeper, opened_at, ends_at, unconfirmed FROM leases",
    "SELECT holder, choice FROM holders WHERE request=?",
};

class sqlite_receipt_store final : public receipt_store {
public:
  sqlite_receipt_store(database file, std::vector<statement> statements)
      : file_(std::move(file)), statements_(std::move(statements)) {}
  ~sqlite_receipt_store() override { roll_back(); }

  result<void> put_lease(lease_record const& lease) override {
    if (auto begun = begin(); !begun) return begun;
    auto written = at(insert_lease)
                       .bind(lease.request)
                       .bind(lease.account)
                       .bind(lease.model.view())
                       .bind(static_cast<std::int64_t>(lease.policy))
                       .bind(lease.gateway)
                       .bind(lease.keeper)
                       .bind(lease.opened_at_unix_ms)
                       .bind(lease.ends_at_unix_ms)
                       .bind(std::int64_t{lease.unconfirmed})
                       .run();
    for (auto const& holder : lease.holders)
      if (written) written = put_holder(holder);
    return written;
  }

  result<void> put_holder(messages::holder_registered const& holder) override {
    if (auto begun = begin(); !begun) return begun;
    return at(insert_holder).bind(holder.request).bind(holder.holder).bind(std::int64_t{holder.choice}).run();
  }

  result<void> put_receipt(messages::signed_receipt const& receipt, chain_head const& head) override {
    if (auto begun = begin(); !begun) return begun;
    auto const& body = receipt.body;
    ephemeral_bytes encoded;
    wire::encode(receipt, encoded);
    auto written = at(insert_receipt)
                       .bind(static_cast<std::int64_t>(body.counter))
                       .bind(body.request)
                       .bind(encoded.reveal())
                       .run();
    if (written) written = at(write_head).bind(static_cast<std::int64_t>(head.counter)).bind(head.hash).run();
    if (written && !body.confirmed) return at(mark_unconfirmed).bind(body.request).run();
    if (written) written = at(delete_holders).bind(body.request).run();
    if (written) written = at(delete_lease).bind(body.request).run();
    return written;
  }

  result<void> commit() override {
    if (!in_batch_) return {};
    auto done = execute(file_.get(), "COMMIT");
    if (!done) return done;
    in_batch_ = false;
    return {};
  }

  void roll_back() override {
    if (in_batch_) sqlite3_exec(file_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    in_batch_ = false;
  }

  result<std::optional<messages::signed_receipt>> find(request_id request) override {
    auto& query = at(find_receipt).bind(request);
    auto const row = query.step();
    if (!row) return row.failure();
    std::optional<messages::signed_receipt> found;
    if (*row) {
      auto decoded = wire::decode<messages::signed_receipt>(query.blob(0));
      query.reset();
      if (!decoded) return decoded.failure();
      found = std::move(*decoded);
    }
    query.reset();
    return found;
  }

  result<chain_head> head() override {
    auto& query = at(read_head);
    auto const row = query.step();
    if (!row) return row.failure();
    chain_head head;
    if (*row) head = {static_cast<std::uint64_t>(query.integer(0)), query.bytes(1)};
    query.reset();
    return head;
  }

  result<std::vector<lease_record>> open_leases() override {
    std::vector<lease_record> open;
    auto& query = at(all_leases);
    for (;;) {
      auto const row = query.step();
      if (!row) return row.failure();
      if (!*row) break;
      open.push_back(lease_of(query));
    }
    query.reset();
    for (auto& lease : open)
      if (auto read = read_holders(lease); !read) return read.failure();
    return open;
  }

private:
  statement& at(query which) { return statements_[which]; }

  result<void> begin() {
    if (in_batch_) return {};
    auto begun = execute(file_.get(), "BEGIN IMMEDIATE");
    in_batch_ = begun.has_value();
    return begun;
  }

  static lease_record lease_of(statement const& row) {
    lease_record lease;
    lease.request = row.request(0);
    lease.account = row.bytes(1);
    if (auto model = name::parse(row.text(2))) lease.model = *model;
    lease.policy = static_cast<messages::retention_policy>(row.integer(3));
    lease.gateway = row.node(4);
    lease.keeper = row.node(5);
    lease.opened_at_unix_ms = row.integer(6);
    lease.ends_at_unix_ms = row.integer(7);
    lease.unconfirmed = row.integer(8) != 0;
    return lease;
  }

  result<void> read_holders(lease_record& lease) {
    auto& query = at(all_holders).bind(lease.request);
    for (;;) {
      auto const row = query.step();
      if (!row) return row.failure();
      if (!*row) break;
      lease.holders.push_back({lease.request, query.node(0), static_cast<std::uint32_t>(query.integer(1))});
    }
    query.reset();
    return {};
  }

  database file_;
  std::vector<statement> statements_; ///< by `query`; gone before the file
  bool in_batch_ = false;
};

result<void> check_schema(sqlite3* file) {
  auto version = statement::prepare(file, "PRAGMA user_version");
  if (!version) return version.failure();
  auto const row = version->step();
  if (!row) return row.failure();
  auto const found = version->integer(0);
  if (found > schema)
    return error{errc::version_mismatch, "the receipt store's schema is newer than ours", found};
  return {};
}

} // namespace

result<std::unique_ptr<receipt_store>> open_sqlite_receipt_store(std::filesystem::path const& path) {
  int const made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); // SQLite would follow the umask
  if (made < 0) return error{errc::io, "the receipt store cannot be opened", errno};
  ::close(made);
  sqlite3* raw = nullptr;
  int const flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
  int const opened = sqlite3_open_v2(path.c_str(), &raw, flags, sqlite_vfs_of_given_paths());
  database file(raw);
  if (opened != SQLITE_OK)
    return error{errc::internal, "the receipt store cannot be opened; SQLite's code", opened};
  sqlite3_busy_timeout(raw, 5000);
  if (auto checked = check_schema(raw); !checked) return checked.failure();
  if (auto laid = execute(raw, tables); !laid) return laid.failure();
  std::vector<statement> statements;
  for (auto const* text : texts) {
    auto prepared = statement::prepare(raw, text);
    if (!prepared) return prepared.failure();
    statements.push_back(std::move(*prepared));
  }
  return std::unique_ptr<receipt_store>(
      std::make_unique<sqlite_receipt_store>(std::move(file), std::move(statements)));
}

} // namespace mayfly::actors
