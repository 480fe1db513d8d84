#include "cluster/node_links.hpp"

#include "cluster/local_peer.hpp"

#include <caf/send.hpp>

namespace mayfly::cluster {

/// Hears the link thread: links go to membership, messages to the router.
class node_links::ear final : public link_listener {
public:
  explicit ear(router const& routes) noexcept : routes_(routes) {}
  /// Before the transport is opened.
  void set_membership(membership_actor actor) { membership_ = std::move(actor); }

  void up(peer_ref const& peer, link_direction direction) override {
    caf::anon_send(membership_, link_up{peer, direction});
  }
  void down(peer_ref const& peer, error const&) override {
    caf::anon_send(membership_, link_down{peer->node()});
  }
  result<void> arrived(peer_ref const& from, wire::envelope_view const& opened) override {
    return routes_.deliver(from, opened);
  }

private:
  router const& routes_;
  membership_actor membership_;
};

node_links::node_links() = default;

result<std::unique_ptr<node_links>> node_links::start(caf::actor_system& system, router& routes,
                                                      node_links_options options) {
  std::unique_ptr<node_links> made(new node_links);
  made->ear_ = std::make_unique<ear>(routes);
  transport_options way;
  way.node = options.self.node;
  way.roles = options.self.roles;
  way.public_key = options.self.public_key;
  way.secret_key = std::move(options.secret_key);
  way.bind = std::move(options.bind);
  way.trusted = std::move(options.trusted);
  auto links = transport::start(std::move(way), *made->ear_);
  if (!links) return links.failure();
  made->links_ = std::move(*links);
  made->self_ = std::move(options.self);
  made->self_.endpoint = made->links_->endpoint();
  made->local_ = std::make_shared<local_peer>(routes, made->self_);
  made->membership_ = spawn_membership(
      system, made->links_, {made->self_, made->local_, std::move(options.seeds), options.is_seed});
  routes.route<messages::announcement>(made->membership_);
  routes.route<messages::member_view>(made->membership_);
  made->ear_->set_membership(made->membership_);
  made->links_->open();
  return made;
}

node_links::~node_links() { stop(); }

void node_links::set_trusted(std::span<messages::bytes32 const> keys) {
  if (auto withdrawn = links_->set_trusted(keys); !withdrawn.empty())
    caf::anon_send(membership_, trust_withdrawn{std::move(withdrawn)});
}

void node_links::set_local_view(messages::member_view view) {
  caf::anon_send(membership_, local_view{std::move(view)});
}

void node_links::stop() {
  if (!links_) return;
  links_->stop();
  caf::anon_send_exit(membership_, caf::exit_reason::user_shutdown);
}

} // namespace mayfly::cluster
