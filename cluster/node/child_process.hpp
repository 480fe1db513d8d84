#pragma once
#include "cluster/node/configuration.hpp"
#include "cluster/node/control_channel.hpp"

#include <memory>
#include <sys/types.h>

namespace mayfly::node {

/// How a child ended: its exit status, or the signal that ended it.
struct child_exit {
  int status = 0;
  int signal = 0;
};

/// One process that the supervisor started, from exec to reaping. Its end shows on a descriptor (pidfd), so
/// that a process id is never mistaken for another's.
class child_process {
public:
  /// Runs this executable again as `mayfly node`, with its configuration in a sealed memory file and a
  /// control channel. Errors: io, not_permitted (`number` is errno).
  static result<std::unique_ptr<child_process>> start(node_configuration configuration);

  ~child_process(); ///< kills and reaps what still runs

  pid_t pid() const noexcept { return pid_; }
  int exit_descriptor() const noexcept { return pidfd_; }
  control_channel& control() noexcept { return control_; }

  void send_signal(int signal) const noexcept;

  /// The exit, once `exit_descriptor` is readable; nothing while it runs.
  std::optional<child_exit> reap() noexcept;

private:
  child_process(pid_t pid, int pidfd, int control) noexcept : pid_(pid), pidfd_(pidfd), control_(control) {}
  pid_t pid_;
  int pidfd_;
  control_channel control_;
  bool reaped_ = false;
};

} // namespace mayfly::node
