#include "cluster/node/child_process.hpp"

#include "cluster/node/hardening.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

constexpr int configuration_descriptor = 3;
constexpr int control_descriptor = 4;

error failed(literal what) { return error{errc::io, what, errno}; }

/// The configuration as a file in memory that nobody can change. It holds secret keys: never a disk.
result<int> memory_file(ephemeral_text const& text) {
  int const file = memfd_create("configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return failed("no memory file for a child's configuration");
  auto const content = text.reveal();
  bool const whole = write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  if (!whole || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    close(file);
    return failed("a child's configuration could not be written");
  }
  return file;
}

/// Child: descriptors 0-2 stay, 3 is the configuration, 4 the control channel, all else closes on exec.
result<pid_t> spawn(int configuration, int control) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Both sources lie above 4 (the supervisor keeps 3 and 4 taken), so neither overwrites the other.
  posix_spawn_file_actions_adddup2(&actions, configuration, configuration_descriptor);
  posix_spawn_file_actions_adddup2(&actions, control, control_descriptor);
  char program[] = "/proc/self/exe";
  char name[] = "mayfly";
  char verb[] = "node";
  char option[] = "--config";
  char path[] = "/proc/self/fd/3";
  char* arguments[] = {name, verb, option, path, nullptr};
  pid_t pid = 0;
  int const problem = posix_spawn(&pid, program, &actions, nullptr, arguments, content_environment());
  posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) return error{errc::io, "a child could not be started", problem};
  return pid;
}

/// Moves a descriptor above the two that a child expects.
int raised(int descriptor) {
  if (descriptor > control_descriptor) return descriptor;
  int const higher = fcntl(descriptor, F_DUPFD_CLOEXEC, control_descriptor + 1);
  close(descriptor);
  return higher;
}

} // namespace

result<std::unique_ptr<child_process>> child_process::start(node_configuration configuration) {
  configuration.control = control_descriptor;
  auto file = memory_file(write_node_configuration(configuration));
  if (!file) return file.failure();
  auto ends = control_channel::make_pair();
  if (!ends) {
    close(*file);
    return ends.failure();
  }
  int const child_file = raised(*file);
  int const child_end = raised(ends->second);
  auto pid = spawn(child_file, child_end);
  close(child_file);
  close(child_end);
  if (!pid) {
    close(ends->first);
    return pid.failure();
  }
  auto const pidfd = static_cast<int>(syscall(SYS_pidfd_open, *pid, 0));
  return std::unique_ptr<child_process>(new child_process(*pid, pidfd, ends->first));
}

child_process::~child_process() {
  if (!reaped_) {
    send_signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (pidfd_ >= 0) close(pidfd_);
}

void child_process::send_signal(int signal) const noexcept {
  if (!reaped_) syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0);
}

std::optional<child_exit> child_process::reap() noexcept {
  int status = 0;
  if (reaped_ || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  reaped_ = true;
  if (WIFSIGNALED(status)) return child_exit{0, WTERMSIG(status)};
  return child_exit{WEXITSTATUS(status), 0};
}

} // namespace mayfly::node
