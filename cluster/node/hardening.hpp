#pragma once
// What a process gives up before it meets content (privacy.md, depth of defence 2 and 3).
#include "protocol/base/result.hpp"

#include <filesystem>
#include <sys/types.h>

namespace mayfly::node {

/// Nothing that this process executes can gain a privilege. For the threads that start after it alone: call
/// it before there are any. Errors: not_permitted.
result<void> forbid_new_privileges();

/// No core dumps, not dumpable: not ptrace-able by its own user, nothing of /proc/self readable to others.
/// Errors: not_permitted (`number` is errno).
result<void> harden_process();

/// The environment of a process that meets content: nothing of the operator's shell, and LD_BIND_NOW. A
/// library call that is bound when it is first made saves all vector registers on the stack, and with them up
/// to 64 bytes of what was copied last (glibc, _dl_runtime_resolve_xsavec), which nobody wipes.
char* const* content_environment() noexcept;

/// Starts this program again as `mayfly node --config CONFIGURATION` in that environment, unless it runs in
/// it. Returns where it does. Errors: not_permitted.
result<void> enter_content_environment(std::filesystem::path const& configuration);

/// Whom children run as: this process's own user, or where that is root the user "mayfly", or else "nobody".
struct process_user {
  uid_t uid = 0;
  gid_t gid = 0;
};
result<process_user> unprivileged_user();

/// Becomes `unprivileged_user`. All threads. Call before `harden_process`: changing the user resets what it
/// sets.
result<void> drop_privileges();

/// Lifts the limits on locked memory and open files to the hard limits, or to none where this process is
/// root.
void raise_limits();

/// What a worker needs after its start, each with all before it.
enum class worker_reach : std::uint8_t {
  nothing,          ///< but the descriptors that it has
  device,           ///< CUDA may open device files whenever it needs another
  ranks_on_devices, ///< NCCL makes files of shared memory and connects to the other ranks, for every group
};

/// For a worker whose files are open: from now on no program can be run, no process traced or read, nothing
/// renamed, linked or made a folder; and, as far as its reach allows, no connection made and no file made or
/// opened for writing (seccomp-bpf). All threads. Errors: not_permitted.
result<void> seal_worker(worker_reach reach);

} // namespace mayfly::node
