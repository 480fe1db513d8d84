#pragma once
// The HTTP doors of one process: the API where it is a gateway, /metrics and health on loopback where it has
// operations.
#include "actors/gateway/http/certificate.hpp"
#include "cluster/node/role_host.hpp"
#include "cluster/node/start_step.hpp"

#include <optional>

namespace mayfly::node {

class http_surface {
public:
  /// Binds, listens and serves. Relative paths start in the current directory. Errors: those of the ingress,
  /// the key file and the request log; `step` then names what could not be opened.
  static result<std::unique_ptr<http_surface>> open(node_configuration const& configuration,
                                                    std::optional<actors::http::certificate> tls,
                                                    role_host& roles, start_step& step);
  virtual ~http_surface() = default;

  virtual std::uint16_t api_port() const noexcept = 0;   ///< 0: none
  virtual std::uint16_t admin_port() const noexcept = 0; ///< 0: none
  /// Accepts no more; what runs is finished.
  virtual void drain() = 0;
  /// True if a gateway of this process has all that requests need, or there is none. Thread-safe.
  virtual bool serves() const = 0;
  /// Clients that are still connected.
  virtual std::size_t connections() const noexcept = 0;
};

} // namespace mayfly::node
