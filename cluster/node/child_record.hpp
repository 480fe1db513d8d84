#pragma once
// Which processes a supervisor started, in a file that outlives it: of one that was killed, nobody else can
// tell that its children are gone, and their leases would stay open.
#include "protocol/base/ids.hpp"
#include "protocol/base/result.hpp"

#include <chrono>
#include <filesystem>
#include <sys/types.h>
#include <vector>

namespace mayfly::node {

class child_record {
public:
  struct entry {
    node_id node;
    pid_t pid = 0; ///< 0: its end was seen
  };

  explicit child_record(std::filesystem::path file) : file_(std::move(file)) {}

  /// Nodes that stand in the file and whose processes are gone. Those that still run (a supervisor's end
  /// kills them, which may take the kernel a moment) are killed and waited for until `patience` is over; who
  /// outlasts that is left out. Without a file: none.
  std::vector<node_id> gone(std::chrono::milliseconds patience) const;

  /// Replaces what stands in the file. Errors: io (`number` is errno).
  result<void> write(std::vector<entry> const& children) const;

private:
  std::filesystem::path file_;
};

} // namespace mayfly::node
