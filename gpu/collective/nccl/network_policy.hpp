#pragma once
// Whether NCCL may speak between hosts. It does not encrypt what it sends, so a group that spans hosts is
// refused unless its interface is known to encrypt, or the operator takes that upon himself by name.
#include "protocol/base/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mayfly::gpu::nccl {

struct network_request {
  bool spans_hosts = false;
  std::string interface;      ///< the one that NCCL is to use, by name; unused within a host
  std::string interface_kind; ///< what the kernel says it is (`kind_of_interface`); empty: a plain one
  bool allow_unencrypted_nccl = false; ///< the operator's setting of that name; GET /v1/privacy shows it
};

/// Kinds of interface that send nothing in clear: WireGuard, and IPsec's (what no policy covers is dropped).
bool is_encrypted(std::string_view interface_kind) noexcept;

/// The environment that a rank's process must be started with: NCCL reads it once, from any configuration
/// file too, unless the environment says otherwise. It pins the interface, keeps to sockets where hosts are
/// spanned (InfiniBand would go past the interface), and silences NCCL, whose own log names addresses.
/// Errors: configuration (hosts are spanned and no interface is named), not_permitted (it does not encrypt).
result<std::vector<std::pair<std::string, std::string>>> environment_for(network_request const& request);

/// What the kernel says an interface is ("wireguard", "xfrm", "vlan"; empty for plain devices). Errors:
/// not_found (no such interface), io (`number`: errno).
result<std::string> kind_of_interface(std::string const& interface);

} // namespace mayfly::gpu::nccl
