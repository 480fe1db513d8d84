// Asks the kernel by rtnetlink(7): /sys tells WireGuard alone.
#include "gpu/collective/nccl/network_policy.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <span>
#include <sys/socket.h>
#include <unistd.h>

namespace mayfly::gpu::nccl {
namespace {

struct question {
  nlmsghdr head{};
  ifinfomsg which{};
};

/// The attribute of that type in a list of attributes; empty if there is none.
std::span<std::byte const> attribute(std::span<std::byte const> list, unsigned type) {
  while (list.size() >= sizeof(rtattr)) {
    rtattr head{};
    std::memcpy(&head, list.data(), sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > list.size()) break;
    if (head.rta_type == type) return list.subspan(sizeof head, head.rta_len - sizeof head);
    list = list.subspan(std::min<std::size_t>(RTA_ALIGN(head.rta_len), list.size()));
  }
  return {};
}

result<std::size_t> ask(unsigned index, std::span<std::byte> answer) {
  int const kernel = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (kernel < 0) return error{errc::io, "the kernel cannot be asked about interfaces (errno)", errno};
  question asked;
  asked.head.nlmsg_len = sizeof asked;
  asked.head.nlmsg_type = RTM_GETLINK;
  asked.head.nlmsg_flags = NLM_F_REQUEST;
  asked.which.ifi_index = static_cast<int>(index);
  timeval const patience{1, 0};
  ::setsockopt(kernel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  auto const sent = ::send(kernel, &asked, sizeof asked, 0);
  auto const got = sent < 0 ? sent : ::recv(kernel, answer.data(), answer.size(), 0);
  int const why = errno;
  ::close(kernel);
  if (got < 0) return error{errc::io, "the kernel does not answer about an interface (errno)", why};
  return static_cast<std::size_t>(got);
}

} // namespace

result<std::string> kind_of_interface(std::string const& interface) {
  auto const index = ::if_nametoindex(interface.c_str());
  if (index == 0) return error{errc::not_found, "no such network interface", errno};
  alignas(nlmsghdr) std::array<std::byte, 16384> answer{};
  auto const got = ask(index, answer);
  if (!got) return got.failure();
  nlmsghdr head{};
  if (*got < sizeof(question)) return error{errc::io, "a short answer about an interface", 0};
  std::memcpy(&head, answer.data(), sizeof head);
  if (head.nlmsg_type != RTM_NEWLINK) return error{errc::io, "no answer about an interface", 0};
  auto const attributes = std::span<std::byte const>(answer).first(*got).subspan(sizeof(question));
  auto const kind = attribute(attribute(attributes, IFLA_LINKINFO), IFLA_INFO_KIND);
  auto const* const text = reinterpret_cast<char const*>(kind.data());
  return std::string(text, kind.empty() ? 0 : ::strnlen(text, kind.size()));
}

} // namespace mayfly::gpu::nccl
