#include "gpu/collective/nccl/network_policy.hpp"

namespace mayfly::gpu::nccl {

bool is_encrypted(std::string_view interface_kind) noexcept {
  return interface_kind == "wireguard" || interface_kind == "xfrm";
}

result<std::vector<std::pair<std::string, std::string>>> environment_for(network_request const& request) {
  std::vector<std::pair<std::string, std::string>> made{
      {"NCCL_CONF_FILE", "/dev/null"},
      {"NCCL_DEBUG", "NONE"},
      {"NCCL_DEBUG_FILE", "/dev/null"},
      {"NCCL_RAS_ENABLE", "0"},       // it would listen on a port, and speak to the other ranks' processes
      {"NCCL_RUNTIME_CONNECT", "0"}}; // sums connect as the group is formed, not with the first of them
  if (!request.spans_hosts) {         // ranks of a host meet over loopback alone
    made.emplace_back("NCCL_SOCKET_IFNAME", "=lo");
    return made;
  }
  if (request.interface.empty() || request.interface.find_first_of(",^=: ") != std::string::npos)
    return error{errc::configuration, "NCCL between hosts needs the name of one interface", 0};
  if (!is_encrypted(request.interface_kind) && !request.allow_unencrypted_nccl)
    return error{errc::not_permitted, "NCCL between hosts over an interface that does not encrypt", 0};
  made.emplace_back("NCCL_SOCKET_IFNAME", "=" + request.interface); // "=": this very name, no prefix
  made.emplace_back("NCCL_NET", "Socket");
  made.emplace_back("NCCL_IB_DISABLE", "1");
  made.emplace_back("NCCL_NET_PLUGIN", "none");
  made.emplace_back("NCCL_MNNVL_ENABLE", "0"); // NVLink between hosts goes past the interface, too
  return made;
}

} // namespace mayfly::gpu::nccl
