// A file of its own: <linux/tcp.h> and <netinet/tcp.h> cannot be included together.
#include "actors/gateway/http/tcp_queue.hpp"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace mayfly::actors::http {

std::optional<tcp_queue> read_tcp_queue(int descriptor) noexcept {
  tcp_info facts{};
  socklen_t size = sizeof facts;
  int queued = 0;
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &facts, &size) != 0) return std::nullopt;
  constexpr unsigned char tcp_close = 7; // TCP_CLOSE of the kernel's include/net/tcp_states.h
  if (facts.tcpi_state == tcp_close) return std::nullopt;
  if (::ioctl(descriptor, SIOCOUTQ, &queued) != 0) return std::nullopt;
  return tcp_queue{facts.tcpi_bytes_acked, static_cast<std::uint64_t>(queued)};
}

} // namespace mayfly::actors::http
