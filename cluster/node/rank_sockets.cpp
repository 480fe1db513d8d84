#include "cluster/node/rank_sockets.hpp"

#include "protocol/base/secret_comparison.hpp"
#include "protocol/crypto/aead.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

namespace mayfly::node {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t token_bytes = 32;
constexpr std::size_t most_strangers = 64; ///< connections that have not said yet whose they are
constexpr auto dial_pause = 50ms;          ///< the other host may not have heard of the epoch yet

error failed(literal what) { return {errc::io, what, errno}; }

enum class purpose : std::uint8_t { plans, sums };

/// One connection of a group; the rank with the smaller number first.
struct connection {
  purpose what = purpose::plans;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  auto operator<=>(connection const&) const = default;
};

/// Every connection that one of the ranks [first, end) has an end of.
std::vector<connection> connections_of(std::uint32_t ranks, std::uint32_t first, std::uint32_t end) {
  std::vector<connection> all;
  auto const ours = [&](std::uint32_t rank) { return rank >= first && rank < end; };
  for (std::uint32_t low = 0; low < ranks; ++low) {
    for (std::uint32_t high = low + 1; high < ranks; ++high) {
      if (!ours(low) && !ours(high)) continue;
      if (low == 0) all.push_back({purpose::plans, low, high});
      all.push_back({purpose::sums, low, high});
    }
  }
  return all;
}

result<ephemeral_bytes> token_of(rank_wiring_order const& order, connection const& which) {
  auto const bytes = [](auto const& value) { return std::as_bytes(std::span(&value, 1)); };
  auto const model = order.model.view();
  return crypto::derive_key(order.key.reveal(), {std::as_bytes(std::span(model)), bytes(order.epoch),
                                                 bytes(which.what), bytes(which.low), bytes(which.high)});
}

struct address {
  sockaddr_storage place{};
  socklen_t length = 0;
};

/// The port after the one that the endpoint names.
result<address> data_address(name const& endpoint) {
  constexpr std::string_view scheme = "tcp://";
  auto const text = endpoint.view();
  auto const colon = text.rfind(':');
  error const wrong{errc::configuration, "a rank_host's endpoint is not tcp://HOST:PORT", 0};
  if (!text.starts_with(scheme) || colon == std::string_view::npos || colon <= scheme.size()) return wrong;
  unsigned port = 0;
  auto const [end, problem] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (problem != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65'534) return wrong;
  std::string const host(text.substr(scheme.size(), colon - scheme.size()));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port + 1).c_str(), &hints, &found) != 0 || found == nullptr)
    return error{errc::configuration, "a rank_host's name is not known", 0};
  address result;
  std::memcpy(&result.place, found->ai_addr, found->ai_addrlen);
  result.length = found->ai_addrlen;
  freeaddrinfo(found);
  return result;
}

int milliseconds_left(deadline until) {
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - boot_clock::now());
  return static_cast<int>(std::max(left, 0ms).count());
}

bool await(int descriptor, short events, deadline until) {
  pollfd watched{descriptor, events, 0};
  return poll(&watched, 1, milliseconds_left(until)) > 0;
}

/// Nothing: nobody accepts there yet.
std::optional<owned_descriptor> dial_once(address const& where, std::span<std::byte const> token,
                                          deadline until) {
  owned_descriptor made(socket(where.place.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  auto const* const place = reinterpret_cast<sockaddr const*>(&where.place);
  if (connect(made.get(), place, where.length) != 0 && errno != EINPROGRESS) return std::nullopt;
  if (!await(made.get(), POLLOUT, until)) return std::nullopt;
  // A new connection's buffer takes 32 bytes at once.
  auto const sent = send(made.get(), token.data(), token.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(token.size())) return std::nullopt;
  return made;
}

result<owned_descriptor> dial(address const& where, std::span<std::byte const> token, deadline until) {
  while (boot_clock::now() < until) {
    if (auto made = dial_once(where, token, until)) return std::move(*made);
    std::this_thread::sleep_for(dial_pause);
  }
  return error{errc::deadline_exceeded, "another host's ranks cannot be reached", 0};
}

/// Takes in the connections of others, each by its token, until all are there.
class reception {
public:
  reception(int listener, std::map<connection, ephemeral_bytes> expected)
      : listener_(listener), expected_(std::move(expected)) {}

  result<std::map<connection, owned_descriptor>> receive(deadline until) {
    while (!expected_.empty()) {
      std::vector<pollfd> watched{{listener_, POLLIN, 0}};
      for (auto const& stranger : strangers_) watched.push_back({stranger.socket.get(), POLLIN, 0});
      if (poll(watched.data(), watched.size(), milliseconds_left(until)) <= 0)
        return error{errc::deadline_exceeded, "another host's ranks did not come", 0};
      for (std::size_t index = strangers_.size(); index > 0; --index)
        if (watched[index].revents != 0) hear(index - 1);
      if (watched[0].revents != 0) accept_one();
    }
    return std::move(arrived_);
  }

private:
  struct newcomer {
    owned_descriptor socket;
    ephemeral_bytes said;
  };

  void accept_one() {
    owned_descriptor made(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!made) return;
    if (strangers_.size() >= most_strangers) strangers_.erase(strangers_.begin());
    strangers_.push_back({std::move(made), {}});
  }

  void hear(std::size_t index) {
    auto& one = strangers_[index];
    std::byte bytes[token_bytes];
    auto const got = recv(one.socket.get(), bytes, token_bytes - one.said.size(), 0);
    if (got > 0) one.said.append(std::span(bytes, static_cast<std::size_t>(got)));
    wipe(bytes, sizeof bytes);
    if (got > 0 && one.said.size() < token_bytes) return;
    if (got > 0) welcome(one);
    strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void welcome(newcomer& one) {
    for (auto const& [which, token] : expected_) {
      if (!equal_in_constant_time(token.reveal(), one.said.reveal())) continue;
      arrived_.emplace(which, std::move(one.socket));
      expected_.erase(which);
      return;
    }
  }

  int listener_;
  std::map<connection, ephemeral_bytes> expected_;
  std::map<connection, owned_descriptor> arrived_;
  std::vector<newcomer> strangers_;
};

} // namespace

result<rank_sockets> rank_sockets::listen(rank_layout layout, std::size_t own_host) {
  auto const where = data_address(layout.hosts()[own_host].endpoint);
  if (!where) return where.failure();
  owned_descriptor listener(socket(where->place.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return failed("no socket for the ranks of other hosts");
  int const on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener.get(), reinterpret_cast<sockaddr const*>(&where->place), where->length) != 0 ||
      ::listen(listener.get(), static_cast<int>(most_strangers)) != 0)
    return failed("the port after that of this rank_host's endpoint cannot be listened on");
  return rank_sockets(std::move(layout), own_host, std::move(listener));
}

result<std::vector<std::vector<owned_descriptor>>> rank_sockets::connect(rank_wiring_order const& order,
                                                                         deadline until) const {
  auto const first = layout_.first_rank(own_host_);
  auto const end = first + layout_.hosts()[own_host_].ranks;
  auto const ours = [&](std::uint32_t rank) { return rank >= first && rank < end; };
  std::map<connection, owned_descriptor> low_ends, high_ends;
  std::map<connection, ephemeral_bytes> expected;
  auto const all = connections_of(layout_.ranks(), first, end);
  for (auto const& each : all) {
    auto token = token_of(order, each);
    if (!token) return token.failure();
    if (ours(each.low) && ours(each.high)) {
      int pair[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return failed("no channel between ranks could be made");
      low_ends.emplace(each, pair[0]);
      high_ends.emplace(each, pair[1]);
    } else if (ours(each.high)) {
      auto const where = data_address(layout_.hosts()[layout_.host_of(each.low)].endpoint);
      if (!where) return where.failure();
      auto made = dial(*where, token->reveal(), until);
      if (!made) return made.failure();
      high_ends.emplace(each, std::move(*made));
    } else {
      expected.emplace(each, std::move(*token));
    }
  }
  auto arrived = reception(listener_.get(), std::move(expected)).receive(until);
  if (!arrived) return arrived.failure();
  low_ends.merge(*arrived);

  std::vector<std::vector<owned_descriptor>> seats(end - first);
  // Plans come before sums, and each in the order of the other's rank, as `connections_of` and `connection`
  // are.
  for (auto const what : {purpose::plans, purpose::sums}) {
    for (std::uint32_t rank = first; rank < end; ++rank) {
      for (std::uint32_t other = 0; other < layout_.ranks(); ++other) {
        connection const which{what, std::min(rank, other), std::max(rank, other)};
        auto& ends = rank < other ? low_ends : high_ends;
        if (auto const at = ends.find(which); at != ends.end())
          seats[rank - first].push_back(std::move(at->second));
      }
    }
  }
  return seats;
}

} // namespace mayfly::node
