#include "actors/gateway/http/connection.hpp"

#include "actors/gateway/http/tcp_queue.hpp"
#include "protocol/base/ephemeral.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <poll.h>

namespace mayfly::actors::http {

using boost::system::error_code;
using std::chrono::milliseconds;

struct connection::watch_state {
  explicit watch_state(asio::any_io_executor executor) : pause(executor) {}
  bool active = true;
  std::function<void()> on_gone;
  asio::steady_timer pause;
};

connection::connection(asio::ip::tcp::socket socket, asio::ssl::context* tls) : socket_(std::move(socket)) {
  if (tls != nullptr) tls_.emplace(socket_, *tls);
}

void connection::arm(duration limit) {
  timed_out_ = false;
  auto const mine = ++armed_;
  limit_.expires_after(limit);
  limit_.async_wait([self = shared_from_this(), mine](error_code problem) {
    if (problem || self->armed_ != mine) return;
    self->interrupt();
  });
}

ending connection::disarm(error_code problem) {
  ++armed_;
  limit_.cancel();
  if (!problem) return ending::done;
  return timed_out_ ? ending::timed_out : ending::closed;
}

void connection::interrupt() {
  timed_out_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

asio::awaitable<ending> connection::handshake(duration limit) {
  if (!tls_) co_return ending::done;
  error_code problem;
  arm(limit);
  co_await tls_->async_handshake(asio::ssl::stream_base::server,
                                 asio::redirect_error(asio::use_awaitable, problem));
  co_return disarm(problem);
}

asio::awaitable<transfer> connection::read_some(std::span<char> into, duration limit) {
  error_code problem;
  std::size_t bytes = 0;
  auto const target = asio::buffer(into.data(), into.size());
  arm(limit);
  if (tls_)
    bytes = co_await tls_->async_read_some(target, asio::redirect_error(asio::use_awaitable, problem));
  else
    bytes = co_await socket_.async_read_some(target, asio::redirect_error(asio::use_awaitable, problem));
  co_return transfer{bytes, disarm(problem)};
}

asio::awaitable<ending> connection::write(std::string_view bytes, duration stall,
                                          std::chrono::steady_clock::time_point until) {
  while (!bytes.empty()) {
    auto const now = std::chrono::steady_clock::now();
    if (now >= until) co_return ending::timed_out;
    error_code problem;
    std::size_t written = 0;
    auto const source = asio::buffer(bytes.data(), bytes.size());
    arm(std::min(stall, until - now));
    if (tls_)
      written = co_await tls_->async_write_some(source, asio::redirect_error(asio::use_awaitable, problem));
    else
      written = co_await socket_.async_write_some(source, asio::redirect_error(asio::use_awaitable, problem));
    auto const how = disarm(problem);
    if (how != ending::done) co_return how;
    bytes.remove_prefix(written);
  }
  co_return ending::done;
}

asio::awaitable<void> connection::finish(duration linger) {
  error_code problem;
  if (tls_ && SSL_is_init_finished(tls_->native_handle())) {
    // Sends close_notify, then waits for the peer's, which few send: not for long.
    arm(milliseconds(200));
    co_await tls_->async_shutdown(asio::redirect_error(asio::use_awaitable, problem));
    disarm(problem);
  }
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, problem);
  auto discarded = ephemeral_buffer<char>::zeros(16 * 1024);
  std::size_t left = std::size_t{8} << 20;
  auto const until = std::chrono::steady_clock::now() + linger;
  while (!problem && left > 0 && std::chrono::steady_clock::now() < until) {
    arm(until - std::chrono::steady_clock::now());
    auto const bytes =
        co_await socket_.async_read_some(asio::buffer(discarded.reveal().data(), discarded.size()),
                                         asio::redirect_error(asio::use_awaitable, problem));
    disarm(problem);
    left -= std::min(left, bytes);
  }
}

void connection::abort() {
  error_code ignored;
  socket_.close(ignored);
}

bool connection::peer_left() {
  pollfd question{socket_.native_handle(), POLLRDHUP, 0};
  if (::poll(&question, 1, 0) < 0) return true;
  return (question.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void connection::watch(std::function<void()> on_gone) {
  end_watch();
  watch_ = std::make_shared<watch_state>(executor());
  watch_->on_gone = std::move(on_gone);
  auto loop = [](std::shared_ptr<connection> self,
                 std::shared_ptr<watch_state> state) -> asio::awaitable<void> {
    co_await self->watch_loop(state);
  };
  asio::co_spawn(executor(), loop(shared_from_this(), watch_), asio::detached);
}

void connection::end_watch() {
  if (!watch_) return;
  watch_->active = false;
  watch_->on_gone = nullptr;
  watch_->pause.cancel();
  watch_.reset();
  error_code ignored;
  socket_.cancel(ignored); // nothing else is under way: the answer is written
}

asio::awaitable<void> connection::watch_loop(std::shared_ptr<watch_state> state) {
  while (state->active) {
    error_code problem;
    co_await socket_.async_wait(asio::ip::tcp::socket::wait_read,
                                asio::redirect_error(asio::use_awaitable, problem));
    if (!state->active) co_return;
    if (problem == asio::error::operation_aborted && socket_.is_open()) continue; // a deadline of a write's
    if (problem || peer_left()) {
      state->active = false;
      auto const tell = std::move(state->on_gone);
      if (tell) tell();
      co_return;
    }
    // Bytes wait to be read: pipelined requests, or TLS's goodbye. Readiness tells no more; look now and
    // then.
    state->pause.expires_after(milliseconds(10));
    co_await state->pause.async_wait(asio::redirect_error(asio::use_awaitable, problem));
  }
}

std::uint64_t connection::sent_bytes() {
  auto const queue = socket_.is_open() ? read_tcp_queue(socket_.native_handle()) : std::nullopt;
  return queue ? queue->acknowledged_bytes + queue->unacknowledged_bytes : 0;
}

asio::awaitable<void> connection::acknowledged(std::uint64_t sent, duration limit) {
  auto const until = std::chrono::steady_clock::now() + limit;
  asio::steady_timer pause(executor());
  duration wait = std::chrono::microseconds(200);
  while (std::chrono::steady_clock::now() < until && socket_.is_open()) {
    auto const queue = read_tcp_queue(socket_.native_handle());
    if (!queue || queue->acknowledged_bytes >= sent) co_return;
    error_code ignored;
    pause.expires_after(wait);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    wait = std::min<duration>(wait * 2, milliseconds(50));
  }
}

} // namespace mayfly::actors::http
