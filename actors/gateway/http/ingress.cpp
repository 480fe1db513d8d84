#include "actors/gateway/http/ingress.hpp"

#include "actors/gateway/http/session.hpp"
#include "protocol/base/wipe.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <list>
#include <thread>

namespace mayfly::actors::http {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds stop_patience{2};

/// One connection as its lane sees it.
struct visitor {
  std::shared_ptr<connection> link;
  std::shared_ptr<bool> idle;
};

/// One thread with its own io_context: a connection stays on it, so sessions need no locks.
struct lane {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  std::list<visitor> visitors; ///< this lane's thread alone
  std::thread thread;

  void run() {
    while (!context.stopped()) {
      context.poll();
      // Whatever handlers left on this stack must not wait there for the next request.
      wipe_stack();
      context.run_one();
    }
  }
};

result<std::unique_ptr<asio::ssl::context>> make_tls(certificate const& from) {
  auto made = std::make_unique<asio::ssl::context>(asio::ssl::context::tlsv13_server);
  error_code problem;
  made->use_certificate_chain(asio::buffer(from.chain_pem), problem);
  if (problem) return error{errc::configuration, "the TLS certificate cannot be used", 0};
  auto const key = from.key_pem.reveal();
  made->use_private_key(asio::buffer(key.data(), key.size()), asio::ssl::context::pem, problem);
  if (problem)
    return error{errc::configuration, "the TLS key cannot be used, or is not the certificate's", 0};
  auto* const raw = made->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(raw, 0); // no resumption: no secrets that outlive a connection
  SSL_CTX_set_options(raw, SSL_OP_CLEANSE_PLAINTEXT);
  return made;
}

class listening_ingress final : public ingress {
public:
  listening_ingress(ingress_options options, ingress_dependencies dependencies) {
    shared_.options = std::move(options);
    shared_.dependencies = std::move(dependencies);
    auto const count = std::max(1U, shared_.options.threads);
    for (unsigned index = 0; index < count; ++index) lanes_.push_back(std::make_unique<lane>());
    acceptor_.emplace(lanes_.front()->context);
  }
  ~listening_ingress() override { halt(); }

  result<void> listen();
  std::uint16_t port() const noexcept override { return port_; }
  void start() override;
  void drain() override;
  std::size_t connections() const noexcept override;
  void stop() override { halt(); }

private:
  asio::awaitable<void> accept_all();
  asio::awaitable<void> visit(lane& on, std::list<visitor>::iterator place);
  void admit(tcp::socket socket, lane& on);
  void turn_away(tcp::socket socket);
  void close_acceptor();
  void halt();
  bool reserve_place();
  void release_place();

  ingress_state shared_;
  std::unique_ptr<asio::ssl::context> tls_;
  std::vector<std::unique_ptr<lane>> lanes_;
  std::optional<tcp::acceptor> acceptor_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t standing_ = 0; ///< connections
  bool halted_ = false;
};

result<void> listening_ingress::listen() {
  auto const& options = shared_.options;
  error_code problem;
  auto const address = asio::ip::make_address(options.address, problem);
  if (problem) return error{errc::configuration, "the address to listen on is no IP address", 0};
  if (!options.tls && !address.is_loopback())
    return error{errc::configuration, "plain HTTP is for loopback addresses alone: give a certificate", 0};
  if (options.tls) {
    auto made = make_tls(*options.tls);
    if (!made) return made.failure();
    tls_ = std::move(*made);
  }
  tcp::endpoint const place(address, options.port);
  acceptor_->open(place.protocol(), problem);
  if (!problem) acceptor_->set_option(tcp::acceptor::reuse_address(true), problem);
  if (!problem) acceptor_->bind(place, problem);
  if (!problem) acceptor_->listen(asio::socket_base::max_listen_connections, problem);
  if (problem) return error{errc::io, "cannot listen on the address and port", problem.value()};
  port_ = acceptor_->local_endpoint(problem).port();
  return {};
}

void listening_ingress::start() {
  asio::co_spawn(lanes_.front()->context, accept_all(), asio::detached);
  for (auto& one : lanes_) one->thread = std::thread([&lane = *one] { lane.run(); });
}

asio::awaitable<void> listening_ingress::accept_all() {
  asio::steady_timer pause(lanes_.front()->context);
  for (std::size_t turn = 0; acceptor_->is_open(); ++turn) {
    auto& on = *lanes_[turn % lanes_.size()];
    error_code problem;
    auto socket =
        co_await acceptor_->async_accept(on.context, asio::redirect_error(asio::use_awaitable, problem));
    if (!problem) {
      admit(std::move(socket), on);
    } else if (acceptor_->is_open()) {
      // Out of descriptors, most likely: they come back as connections end.
      pause.expires_after(std::chrono::milliseconds(20));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, problem));
    }
  }
}

bool listening_ingress::reserve_place() {
  std::scoped_lock guard(mutex_);
  if (standing_ >= shared_.options.connections) return false;
  ++standing_;
  return true;
}

void listening_ingress::release_place() {
  std::scoped_lock guard(mutex_);
  --standing_;
  changed_.notify_all();
}

void listening_ingress::admit(tcp::socket socket, lane& on) {
  if (!reserve_place()) return turn_away(std::move(socket));
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  auto link = std::make_shared<connection>(std::move(socket), tls_.get());
  asio::post(on.context, [this, &on, link = std::move(link)]() mutable {
    on.visitors.push_front({link, std::make_shared<bool>(true)});
    auto const place = on.visitors.begin();
    asio::co_spawn(on.context, visit(on, place), asio::detached);
  });
}

asio::awaitable<void> listening_ingress::visit(lane& on, std::list<visitor>::iterator place) {
  try {
    co_await serve(place->link, shared_, place->idle);
  } catch (std::exception const&) {
    // Out of memory, at worst: this connection ends, the others go on.
    place->link->abort();
  }
  on.visitors.erase(place);
  release_place();
}

void listening_ingress::turn_away(tcp::socket socket) {
  if (tls_) return; // closed without a word: a handshake is what there is no room for
  ephemeral_text body;
  api::write_refusal(body, api::refuse(error{errc::unavailable, "too many connections", 1}));
  response_head head;
  head.status = 503;
  head.request = shared_.dependencies.make_request_id();
  head.retry_seconds = 1;
  head.after = persistence::close;
  auto const response = whole_response(head, body.reveal(), false);
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(response.reveal().data(), response.size()), ignored);
}

void listening_ingress::close_acceptor() {
  asio::post(lanes_.front()->context, [this] {
    error_code ignored;
    acceptor_->close(ignored);
  });
}

void listening_ingress::drain() {
  shared_.draining = true;
  close_acceptor();
  for (auto& one : lanes_)
    asio::post(one->context, [&lane = *one] {
      for (auto const& guest : lane.visitors)
        if (*guest.idle) guest.link->interrupt();
    });
}

std::size_t listening_ingress::connections() const noexcept {
  std::scoped_lock guard(mutex_);
  return standing_;
}

void listening_ingress::halt() {
  if (halted_) return;
  halted_ = true;
  shared_.draining = true;
  close_acceptor();
  for (auto& one : lanes_)
    asio::post(one->context, [&lane = *one] {
      for (auto const& guest : lane.visitors) guest.link->abort();
    });
  if (lanes_.front()->thread.joinable()) {
    std::unique_lock guard(mutex_);
    changed_.wait_for(guard, stop_patience, [this] { return standing_ == 0; });
  }
  for (auto& one : lanes_) one->context.stop();
  for (auto& one : lanes_)
    if (one->thread.joinable()) one->thread.join();
}

} // namespace

ingress_options::ingress_options() = default;
ingress_options::ingress_options(ingress_options&&) noexcept = default;
ingress_options& ingress_options::operator=(ingress_options&&) noexcept = default;
ingress_options::~ingress_options() = default;

result<std::unique_ptr<ingress>> ingress::open(ingress_options options, ingress_dependencies dependencies) {
  auto made = std::make_unique<listening_ingress>(std::move(options), std::move(dependencies));
  auto listening = made->listen();
  if (!listening) return listening.failure();
  return std::unique_ptr<ingress>(std::move(made));
}

} // namespace mayfly::actors::http
