#include "cluster/node/hardening.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

constexpr std::array refused_calls{
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(creat),
    SCMP_SYS(truncate),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(openat2),
    SCMP_SYS(io_uring_setup), // it would open and connect past this filter
};

bool refuse_all(scmp_filter_ctx filter) {
  return std::ranges::all_of(refused_calls, [filter](int call) {
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) == 0;
  });
}

bool refuse_connecting(scmp_filter_ctx filter) {
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(connect), 0) == 0;
}

/// Opening a file with any of `flags` in what `mask` leaves of how it is opened.
bool refuse_opening(scmp_filter_ctx filter, unsigned mask, unsigned flags) {
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
                          SCMP_A2(SCMP_CMP_MASKED_EQ, mask, flags)) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), 1,
                          SCMP_A1(SCMP_CMP_MASKED_EQ, mask, flags)) == 0;
}

bool refuse_making_files(scmp_filter_ctx filter) { return refuse_opening(filter, O_CREAT, O_CREAT); }

/// O_WRONLY is 1 and O_RDWR is 2: either bit of the access mode means writing.
bool refuse_writing(scmp_filter_ctx filter) {
  return refuse_opening(filter, O_ACCMODE, O_WRONLY) && refuse_opening(filter, O_ACCMODE, O_RDWR);
}

error refused_by_kernel(literal what) { return error{errc::not_permitted, what, errno}; }

} // namespace

result<void> harden_process() {
  rlimit const none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return refused_by_kernel("core dumps could not be forbidden");
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return refused_by_kernel("the process could not be made undumpable");
  return {};
}

result<void> forbid_new_privileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return refused_by_kernel("new privileges could not be forbidden");
  return {};
}

char* const* content_environment() noexcept {
  static char bind_now[] = "LD_BIND_NOW=1";
  static char* const environment[] = {bind_now, nullptr};
  return environment;
}

result<void> enter_content_environment(std::filesystem::path const& configuration) {
  if (std::getenv("LD_BIND_NOW") != nullptr) return {};
  std::string path = configuration.native();
  char name[] = "mayfly";
  char verb[] = "node";
  char option[] = "--config";
  char* const arguments[] = {name, verb, option, path.data(), nullptr};
  execve("/proc/self/exe", arguments, content_environment());
  return refused_by_kernel("the program could not be started again with its libraries bound");
}

result<process_user> unprivileged_user() {
  if (geteuid() != 0) return process_user{geteuid(), getegid()};
  auto const* user = getpwnam("mayfly");
  if (user == nullptr) user = getpwnam("nobody");
  if (user == nullptr) return error{errc::not_permitted, "neither a user mayfly nor nobody exists", 0};
  return process_user{user->pw_uid, user->pw_gid};
}

result<void> drop_privileges() {
  if (geteuid() != 0) return {};
  auto const user = unprivileged_user();
  if (!user) return user.failure();
  if (setgroups(0, nullptr) != 0 || setgid(user->gid) != 0 || setuid(user->uid) != 0)
    return refused_by_kernel("privileges could not be dropped");
  return {};
}

void raise_limits() {
  for (auto resource : {RLIMIT_MEMLOCK, RLIMIT_NOFILE}) {
    rlimit limit{};
    getrlimit(resource, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (geteuid() == 0) limit.rlim_cur = limit.rlim_max = resource == RLIMIT_NOFILE ? 65536 : RLIM_INFINITY;
    setrlimit(resource, &limit);
  }
}

result<void> seal_worker(worker_reach reach) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return error{errc::not_permitted, "no seccomp filter could be made", 0};
  seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  bool fine = refuse_all(filter);
  if (reach < worker_reach::ranks_on_devices)
    fine = fine && refuse_connecting(filter) && refuse_making_files(filter);
  if (reach < worker_reach::device) fine = fine && refuse_writing(filter);
  fine = fine && seccomp_load(filter) == 0;
  seccomp_release(filter);
  if (!fine) return error{errc::not_permitted, "the seccomp filter was refused", 0};
  return {};
}

} // namespace mayfly::node
