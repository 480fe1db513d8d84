#pragma once
// Receipts in one SQLite file: write-ahead log, synchronous=NORMAL. A process that dies loses nothing that
// was committed; a machine that loses power may lose the last commits, never an earlier one, and the chain's
// counter shows it.
#include "actors/retention/receipt_store.hpp"

#include <filesystem>

namespace mayfly::actors {

/// Opens or makes the file (0600). Errors: io (`number`: errno), internal (`number`: SQLite's code),
/// version_mismatch (`number`: the file's schema, newer than ours).
result<std::unique_ptr<receipt_store>> open_sqlite_receipt_store(std::filesystem::path const& path);

} // namespace mayfly::actors
