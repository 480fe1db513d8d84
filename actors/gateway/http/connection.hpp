#pragma once
// One TCP connection, in TLS or not: reads and writes with deadlines, and notices a peer that leaves. All
// members are called on the thread of its io_context.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace mayfly::actors::http {

namespace asio = boost::asio;
using duration = std::chrono::steady_clock::duration;
inline constexpr auto never = std::chrono::steady_clock::time_point::max();

enum class ending : std::uint8_t {
  done = 0,
  closed = 1,    ///< by the peer, by a failure, or by `abort`
  timed_out = 2, ///< the connection still stands: a last answer may be written
};

struct transfer {
  std::size_t bytes = 0;
  ending how = ending::done;
};

class connection : public std::enable_shared_from_this<connection> {
public:
  /// `tls` may be null; it outlives the connection.
  connection(asio::ip::tcp::socket socket, asio::ssl::context* tls);

  asio::any_io_executor executor() { return socket_.get_executor(); }

  asio::awaitable<ending> handshake(duration limit);
  /// At least a byte, unless it ended.
  asio::awaitable<transfer> read_some(std::span<char> into, duration limit);
  /// All of it; `stall` is how long the peer may take nothing, `until` when it must have taken everything.
  asio::awaitable<ending> write(std::string_view bytes, duration stall,
                                std::chrono::steady_clock::time_point until = never);
  /// Says goodbye: no more is written; what the peer still sends is read and wiped for a moment, so that a
  /// reset does not overtake the answer.
  asio::awaitable<void> finish(duration linger);
  /// Closes at once; everything under way ends `closed`.
  void abort();

  /// Calls `on_gone` once if the peer leaves before `end_watch`. Bytes that it pipelines are no leave-taking.
  void watch(std::function<void()> on_gone);
  void end_watch();
  /// Ends what is under way, as if its time were over.
  void interrupt();

  /// How many bytes this connection has ever handed to the kernel, as TCP counts them.
  std::uint64_t sent_bytes();
  /// Returns when the peer has acknowledged that many, is gone, or the limit passed. May run beside others.
  asio::awaitable<void> acknowledged(std::uint64_t sent, duration limit);

private:
  struct watch_state;
  asio::awaitable<void> watch_loop(std::shared_ptr<watch_state> state);
  void arm(duration limit);
  ending disarm(boost::system::error_code problem);
  bool peer_left();

  asio::ip::tcp::socket socket_;
  std::optional<asio::ssl::stream<asio::ip::tcp::socket&>> tls_;
  asio::steady_timer limit_{socket_.get_executor()};
  std::uint64_t armed_ = 0; ///< tells a deadline's handler whether it is still meant
  bool timed_out_ = false;
  std::shared_ptr<watch_state> watch_;
};

} // namespace mayfly::actors::http
