#include "cluster/transport/transport.hpp"

#include "cluster/transport/link_loop.hpp"
#include "cluster/transport/self_test.hpp"

namespace mayfly::cluster {
namespace {

// A busy machine may take its time over a handshake; a door that is open is found open at once.
constexpr std::chrono::seconds self_test_patience{10};

constexpr std::size_t key_bytes = 32;

} // namespace

struct transport::parts {
  parts(transport_options given, link_listener& listener)
      : options(std::move(given)), out(std::make_shared<outbox>()),
        loop(context, options, listener, trust, out) {}

  transport_options options;
  trust_set trust;
  std::shared_ptr<outbox> out;
  link_context context; // ends after the loop and its sockets
  link_loop loop;
  std::thread thread;
};

transport::transport() = default;

result<std::unique_ptr<transport>> transport::start(transport_options options, link_listener& listener) {
  if (options.secret_key.size() != key_bytes)
    return error{errc::configuration, "a CURVE secret key is 32 bytes",
                 static_cast<std::int64_t>(options.secret_key.size())};
  std::unique_ptr<transport> made(new transport);
  made->parts_ = std::make_unique<parts>(std::move(options), listener);
  auto& own = *made->parts_;
  own.trust.list(own.options.trusted);
  if (auto const bound = own.loop.bind(); !bound) return bound.failure();
  own.thread = std::thread([&own] { own.loop.run(); });
  if (own.options.bind.empty()) return made;
  auto const refused =
      refuses_strangers(own.context, own.loop.endpoint().text(), own.options.public_key, self_test_patience);
  if (!refused) return refused.failure();
  return made;
}

transport::~transport() { stop(); }

void transport::open() {
  parts_->out->push([loop = &parts_->loop] { loop->open(); });
}

void transport::stop() {
  if (!parts_ || !parts_->thread.joinable()) return;
  parts_->out->push([loop = &parts_->loop] { loop->stop(); });
  parts_->thread.join();
  parts_->out->close();
}

name const& transport::endpoint() const noexcept { return parts_->loop.endpoint(); }

dial_number transport::dial(dial_request request) {
  auto const number = next_session_number();
  parts_->out->push(
      [loop = &parts_->loop, number, request = std::move(request)] { loop->dial(number, request); });
  return number;
}

void transport::hang_up(dial_number dial) {
  parts_->out->push([loop = &parts_->loop, dial] { loop->hang_up(dial); });
}

void transport::drop(node_id node) {
  parts_->out->push([loop = &parts_->loop, node] {
    loop->protocol().drop(node, {errc::unavailable, "the node's process has ended", 0});
  });
}

std::vector<messages::bytes32> transport::set_trusted(std::span<messages::bytes32 const> keys) {
  auto withdrawn = parts_->trust.list(keys);
  parts_->out->push([loop = &parts_->loop] { loop->protocol().beat(); });
  return withdrawn;
}

void transport::set_vouched(std::vector<messages::member> members) {
  parts_->trust.vouch(std::move(members));
  parts_->out->push([loop = &parts_->loop] { loop->protocol().beat(); });
}

bool transport::lists(messages::bytes32 const& key) const { return parts_->trust.lists(key); }
bool transport::revoked(messages::bytes32 const& key) const { return parts_->trust.revoked(key); }

} // namespace mayfly::cluster
