#include "actors/retention/sqlite_statement.hpp"

#include <cstring>

namespace mayfly::actors {

error sqlite_failure(sqlite3* file) noexcept {
  return {errc::internal, "the receipt store failed; SQLite's code", sqlite3_extended_errcode(file)};
}

result<void> execute(sqlite3* file, char const* sql) {
  if (sqlite3_exec(file, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return sqlite_failure(file);
  return {};
}

result<statement> statement::prepare(sqlite3* file, char const* sql) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v3(file, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr) != SQLITE_OK)
    return sqlite_failure(file);
  statement made;
  made.handle_.reset(handle);
  return made;
}

statement& statement::bind(std::int64_t value) {
  if (problem_ == SQLITE_OK) problem_ = sqlite3_bind_int64(handle_.get(), next_++, value);
  return *this;
}

statement& statement::bind(std::span<std::byte const> blob) {
  if (problem_ == SQLITE_OK)
    problem_ = sqlite3_bind_blob64(handle_.get(), next_++, blob.data(), blob.size(), SQLITE_TRANSIENT);
  return *this;
}

statement& statement::bind(std::string_view text) {
  if (problem_ == SQLITE_OK)
    problem_ =
        sqlite3_bind_text64(handle_.get(), next_++, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

statement& statement::bind(request_id id) {
  std::uint64_t const words[2] = {id.retention.value, id.serial};
  return bind(std::as_bytes(std::span(words)));
}

result<bool> statement::step() {
  if (problem_ == SQLITE_OK) problem_ = sqlite3_step(handle_.get());
  if (problem_ != SQLITE_ROW && problem_ != SQLITE_DONE) {
    reset();
    return sqlite_failure(sqlite3_db_handle(handle_.get()));
  }
  bool const row = problem_ == SQLITE_ROW;
  problem_ = SQLITE_OK;
  return row;
}

result<void> statement::run() {
  auto const stepped = step();
  reset();
  if (!stepped) return stepped.failure();
  return {};
}

void statement::reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  next_ = 1;
  problem_ = SQLITE_OK;
}

std::int64_t statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }

std::span<std::byte const> statement::blob(int column) const {
  auto const* data = static_cast<std::byte const*>(sqlite3_column_blob(handle_.get(), column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

std::string_view statement::text(int column) const {
  auto const bytes = blob(column);
  return {static_cast<char const*>(static_cast<void const*>(bytes.data())), bytes.size()};
}

messages::bytes32 statement::bytes(int column) const {
  messages::bytes32 value{};
  auto const stored = blob(column);
  if (stored.size() == value.size()) std::memcpy(value.data(), stored.data(), value.size());
  return value;
}

request_id statement::request(int column) const {
  std::uint64_t words[2] = {0, 0};
  auto const stored = blob(column);
  if (stored.size() == sizeof words) std::memcpy(words, stored.data(), sizeof words);
  return {{words[0]}, words[1]};
}

} // namespace mayfly::actors
