#pragma once
// The node's open door: a ROUTER behind CURVE and the ZAP handler. For the link thread alone, once bound.
#include "cluster/transport/link_protocol.hpp"
#include "cluster/transport/zap.hpp"

namespace mayfly::cluster {

class acceptor {
public:
  acceptor(link_context const& context, transport_options const& options, trust_set const& trust,
           link_protocol& protocol);

  /// Errors: io (`number`: errno).
  result<void> bind();
  /// "tcp://host:port", the port known; empty before `bind`.
  name const& endpoint() const noexcept { return endpoint_; }

  /// Takes up to `most` frames; true if there may be more.
  bool receive(int most);
  /// Answers the ZAP handler's questions and drops the sessions of closed connections.
  void watch();
  /// Forgets routing ids of sessions that are long gone.
  void forget_old();

  link_socket const& router() const noexcept { return router_; }
  link_socket const& monitor() const noexcept { return monitor_.socket(); }
  link_socket const& questions() const noexcept { return zap_.socket(); }

private:
  struct arrival {
    session_number session = 0;
    std::string user_id;
    boot_clock::time_point last;
  };
  bool receive_one();
  arrival* arrival_of(std::string const& routing_id, frame_part& first);
  void closed(int descriptor);

  transport_options const& options_;
  link_protocol& protocol_;
  zap_handler zap_; // before the ROUTER: bound first, or CURVE lets everybody in
  link_socket router_;
  socket_monitor monitor_;
  name endpoint_;
  std::unordered_map<std::string, arrival> arrivals_; ///< by routing id; ids are not used twice
};

} // namespace mayfly::cluster
