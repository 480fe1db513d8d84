#pragma once
// Two sealed channels with a listener between them, who sees every frame and decides what arrives.
#include "cluster/transport/sealed_channel.hpp"

#include "protocol/base/ephemeral.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace mayfly::test {

using channel = std::unique_ptr<secure_channel>;

inline deadline in(std::chrono::milliseconds time) { return boot_clock::now() + time; }
inline deadline soon() { return in(std::chrono::seconds(20)); }

struct ends {
  int one = -1, other = -1;
};

inline ends unix_ends() {
  int made[2] = {};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made) == 0);
  return {made[0], made[1]};
}

inline ends tcp_ends() {
  int const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(bind(listener, raw, size) == 0);
  REQUIRE(listen(listener, 1) == 0);
  REQUIRE(getsockname(listener, raw, &size) == 0);
  int const one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(connect(one, raw, size) == 0);
  int const other = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  REQUIRE(other >= 0);
  close(listener);
  return {one, other};
}

inline std::vector<std::byte> key_of(unsigned char each) {
  return std::vector<std::byte>(32, std::byte{each});
}

inline cluster::channel_terms terms_of(std::uint32_t own, std::uint32_t peer) {
  return {"group", "collective", 7, own, peer, std::size_t{1} << 20};
}

using opened = result<channel>;
struct opened_pair {
  opened one{error{}}, other{error{}};
};

/// Both ends greet at once, as two ranks do.
inline opened_pair open_both(ends sockets, cluster::channel_terms const& one,
                             cluster::channel_terms const& other,
                             std::vector<std::byte> const& one_key = key_of(1),
                             std::vector<std::byte> const& other_key = key_of(1)) {
  opened_pair made;
  std::jthread const beside([&] { made.one = open_sealed_channel(sockets.one, one, one_key, soon()); });
  made.other = open_sealed_channel(sockets.other, other, other_key, soon());
  return made;
}

inline std::pair<channel, channel> connected(ends sockets) {
  auto made = open_both(sockets, terms_of(0, 1), terms_of(1, 0));
  REQUIRE(made.one);
  REQUIRE(made.other);
  return {std::move(*made.one), std::move(*made.other)};
}

inline std::span<std::byte const> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string_view text(std::span<std::byte const> message) {
  return {reinterpret_cast<char const*>(message.data()), message.size()};
}

using frame = std::vector<std::byte>;

class tapped_channels {
public:
  tapped_channels() {
    auto const left = unix_ends();
    auto const right = unix_ends();
    sender_tap_ = left.other;
    receiver_tap_ = right.one;
    auto made = [&] {
      std::jthread const greetings([&] { // a greeting and a proof each way
        for (std::size_t const part : {40U, 20U}) {
          carry(sender_tap_, receiver_tap_, part);
          carry(receiver_tap_, sender_tap_, part);
        }
      });
      return open_both({left.one, right.other}, terms_of(0, 1), terms_of(1, 0));
    }();
    REQUIRE(made.one);
    REQUIRE(made.other);
    sender = std::move(*made.one);
    receiver = std::move(*made.other);
  }
  tapped_channels(tapped_channels const&) = delete;
  tapped_channels& operator=(tapped_channels const&) = delete;
  ~tapped_channels() {
    close(sender_tap_);
    close(receiver_tap_);
  }

  /// The frame that the sender makes of a message; it has not arrived anywhere yet.
  frame caught(std::string_view message) {
    REQUIRE(sender->send(bytes(message), soon()));
    frame made(4);
    read_all(sender_tap_, made);
    std::uint32_t length = 0;
    std::memcpy(&length, made.data(), 4);
    made.resize(4 + length);
    read_all(sender_tap_, std::span(made).subspan(4));
    return made;
  }
  void deliver(std::span<std::byte const> part) { write_all(receiver_tap_, part); }
  void hang_up() const { shutdown(receiver_tap_, SHUT_RDWR); }

  channel sender, receiver;

private:
  static void read_all(int from, std::span<std::byte> into) {
    while (!into.empty()) {
      auto const got = recv(from, into.data(), into.size(), 0);
      if (got <= 0) return;
      into = into.subspan(static_cast<std::size_t>(got));
    }
  }
  static void write_all(int to, std::span<std::byte const> part) {
    while (!part.empty()) {
      auto const sent = send(to, part.data(), part.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      part = part.subspan(static_cast<std::size_t>(sent));
    }
  }
  static void carry(int from, int to, std::size_t count) {
    frame part(count);
    read_all(from, part);
    write_all(to, part);
  }

  int sender_tap_ = -1;
  int receiver_tap_ = -1;
};

} // namespace mayfly::test
