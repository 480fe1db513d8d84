#include "actors/gateway/http/mailbox.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace mayfly::actors::http {

void doorbell::ring() {
  boost::asio::post(timer_.get_executor(), [self = shared_from_this()] {
    self->rung_ = true;
    self->timer_.cancel();
  });
}

boost::asio::awaitable<void> doorbell::wait_until(std::chrono::steady_clock::time_point time) {
  if (!rung_) {
    boost::system::error_code ignored;
    timer_.expires_at(time);
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  rung_ = false;
}

} // namespace mayfly::actors::http
