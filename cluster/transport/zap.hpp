#pragma once
// The ZAP handler (ZeroMQ RFC 27): ZeroMQ asks it about every key that wants in. Without one, CURVE lets
// every key in.
#include "cluster/transport/socket.hpp"
#include "cluster/transport/trust_set.hpp"

namespace mayfly::cluster {

inline constexpr std::string_view zap_domain = "mayfly";

/// Must be made before the socket that it guards is bound.
class zap_handler {
public:
  zap_handler(link_context const& context, trust_set const& trust);

  /// Answers every question that waits: 200 with the key in hexadecimal as User-Id, or 400.
  void answer();
  link_socket const& socket() const noexcept { return socket_; }

private:
  bool answer_one();
  bool admits(std::string const& domain, std::string const& mechanism,
              std::span<std::byte const> credentials) const;
  link_socket socket_;
  trust_set const& trust_;
};

/// A key's text as User-Id, and back. Errors of the way back: malformed.
std::string user_id_of(bytes32 const& key);
result<bytes32> key_of(std::string_view user_id);

} // namespace mayfly::cluster
