#pragma once
// Identifiers. All are metadata: made by the cluster, never taken from a client's text.
#include "protocol/base/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mayfly {

/// 64 bits of randomness with a type of their own. `text()` is 16 lower-case hexadecimal digits; 0 is "none".
template <class Tag>
struct random_id {
  std::uint64_t value = 0;
  static random_id make();
  static result<random_id> parse(std::string_view text);
  std::string text() const;
  explicit operator bool() const noexcept { return value != 0; }
  friend auto operator<=>(random_id const&, random_id const&) = default;
};

/// One process of the cluster, for the time it runs: a restart is a new node.
using node_id = random_id<struct node_tag>;
/// One account; keys belong to it.
using account_id = random_id<struct account_tag>;
/// One retention actor, for the time it runs.
using retention_id = random_id<struct retention_tag>;

/// One request, everywhere: completion id, x-request-id, lease, receipt. Carries the retention instance that
/// holds its lease. Text: 32 lower-case hexadecimal digits, instance first.
struct request_id {
  retention_id retention;
  std::uint64_t serial = 0; ///< random
  static request_id make(retention_id retention);
  static result<request_id> parse(std::string_view text);
  std::string text() const;
  friend auto operator<=>(request_id const&, request_id const&) = default;
};

/// Random bits from the kernel (getrandom).
std::uint64_t random_bits();

} // namespace mayfly

template <class Tag>
struct std::hash<mayfly::random_id<Tag>> {
  std::size_t operator()(mayfly::random_id<Tag> id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};
template <>
struct std::hash<mayfly::request_id> {
  std::size_t operator()(mayfly::request_id const& id) const noexcept {
    return id.serial ^ id.retention.value;
  }
};
