#pragma once
// Links between the supervisors of the hosts that a group of ranks spans: the first host's accepts, the
// others dial it. CURVE, by the keys of the configuration alone. No actors; rides on its transport's own
// thread.
#include "cluster/node/rank_layout.hpp"
#include "cluster/transport/transport.hpp"
#include "protocol/base/ephemeral.hpp"
#include "protocol/messages/rank_hosts.hpp"

#include <memory>
#include <mutex>
#include <variant>

namespace mayfly::node {

struct host_linked {};
struct host_lost {};
/// What happened on the link with one host.
struct host_event {
  std::size_t host = 0;
  std::variant<host_linked, host_lost, messages::ranks_wait, messages::ranks_meet, messages::ranks_part> what;
};

struct host_links_options {
  node_id supervisor;
  messages::bytes32 public_key{};
  ephemeral_bytes secret_key; ///< CURVE, 32 bytes
  rank_layout layout;
  std::size_t own_host = 0;
};

class host_links {
public:
  /// Errors: those of transport::start.
  static result<std::unique_ptr<host_links>> start(host_links_options options);
  ~host_links();

  /// Dropped where the host is not linked. Thread-safe.
  template <messages::message M>
  void send(std::size_t host, M message) const {
    if (auto const peer = linked(host)) peer->send(std::move(message));
  }
  /// Null while it is not.
  cluster::peer_ref linked(std::size_t host) const;
  /// What happened since the last call, in its order.
  std::vector<host_event> take_events();

private:
  class ear;
  host_links();
  std::shared_ptr<ear> ear_;
  std::unique_ptr<cluster::transport> links_;
};

} // namespace mayfly::node
