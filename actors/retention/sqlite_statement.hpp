#pragma once
// A prepared statement of SQLite, and the little of it that the store needs. Values are metadata.
#include "protocol/base/result.hpp"
#include "protocol/messages/fields.hpp"

#include <memory>
#include <sqlite3.h>
#include <vector>

namespace mayfly::actors {

struct close_database {
  void operator()(sqlite3* file) const noexcept { sqlite3_close_v2(file); }
};
using database = std::unique_ptr<sqlite3, close_database>;

error sqlite_failure(sqlite3* file) noexcept;
result<void> execute(sqlite3* file, char const* sql);

/// Bound in order, then stepped; `reset` before the next use. Blobs are copied.
class statement {
public:
  /// Errors: io.
  static result<statement> prepare(sqlite3* file, char const* sql);

  statement& bind(std::int64_t value);
  statement& bind(std::span<std::byte const> blob);
  statement& bind(std::string_view text);
  statement& bind(request_id id);
  statement& bind(node_id node) { return bind(static_cast<std::int64_t>(node.value)); }

  /// True if there is a row. Errors: io.
  result<bool> step();
  /// Steps a statement without rows, and resets it.
  result<void> run();
  void reset();

  std::int64_t integer(int column) const;
  /// Valid until the next step.
  std::span<std::byte const> blob(int column) const;
  std::string_view text(int column) const;
  /// Zeros if the column has another size.
  messages::bytes32 bytes(int column) const;
  request_id request(int column) const;
  node_id node(int column) const { return {static_cast<std::uint64_t>(integer(column))}; }

private:
  struct finalize {
    void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
  };
  std::unique_ptr<sqlite3_stmt, finalize> handle_;
  int next_ = 1;
  int problem_ = SQLITE_OK;
};

} // namespace mayfly::actors
