#pragma once
// Which ranks of a group run on which host. Pure.
#include "protocol/base/name.hpp"
#include "protocol/messages/fields.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace mayfly::node {

/// [[rank_host]]: one of the hosts that a group of ranks spans. Rank 0 is on the first.
struct rank_host {
  name endpoint; ///< tcp://HOST:PORT where its supervisor meets the others'; ranks' sockets meet on the next
                 ///< port
  messages::bytes32 public_key{}; ///< of its supervisor
  std::uint32_t ranks = 1;
};

class rank_layout {
public:
  rank_layout() = default;
  explicit rank_layout(std::vector<rank_host> hosts) : hosts_(std::move(hosts)) {}

  std::vector<rank_host> const& hosts() const noexcept { return hosts_; }
  bool spans_hosts() const noexcept { return !hosts_.empty(); }

  std::uint32_t ranks() const noexcept {
    std::uint32_t all = 0;
    for (auto const& host : hosts_) all += host.ranks;
    return all;
  }
  std::uint32_t first_rank(std::size_t host) const noexcept {
    std::uint32_t before = 0;
    for (std::size_t index = 0; index < host; ++index) before += hosts_[index].ranks;
    return before;
  }
  std::size_t host_of(std::uint32_t rank) const noexcept {
    std::size_t host = 0;
    while (host + 1 < hosts_.size() && rank >= first_rank(host + 1)) ++host;
    return host;
  }
  /// Nothing where no host has that key.
  std::optional<std::size_t> find(messages::bytes32 const& key) const noexcept {
    auto const at = std::ranges::find(hosts_, key, &rank_host::public_key);
    return at == hosts_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - hosts_.begin()));
  }

private:
  std::vector<rank_host> hosts_;
};

} // namespace mayfly::node
