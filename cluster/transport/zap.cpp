#include "cluster/transport/zap.hpp"

#include "protocol/crypto/encoding.hpp"

#include <algorithm>
#include <array>
#include <deque>

namespace mayfly::cluster {
namespace {

constexpr std::size_t question_parts = 7; // version, id, domain, address, identity, mechanism, credentials

void send_text(link_socket const& to, std::string_view text, int flags) {
  zmq_send(to.raw(), text.data(), text.size(), ZMQ_DONTWAIT | flags);
}

} // namespace

zap_handler::zap_handler(link_context const& context, trust_set const& trust)
    : socket_(context, ZMQ_REP), trust_(trust) {
  socket_.bind("inproc://zeromq.zap.01");
}

void zap_handler::answer() {
  while (answer_one()) {
  }
}

bool zap_handler::answer_one() {
  std::deque<frame_part> parts;
  do {
    if (!parts.emplace_back().receive(socket_)) return false;
  } while (parts.back().more());
  bool const whole = parts.size() == question_parts && parts[0].text() == "1.0";
  bool const welcome = whole && admits(parts[2].text(), parts[5].text(), parts[6].bytes());
  bytes32 key{};
  if (welcome) std::copy_n(parts[6].bytes().begin(), key.size(), key.begin());
  send_text(socket_, "1.0", ZMQ_SNDMORE);
  send_text(socket_, parts.size() > 1 ? parts[1].text() : std::string(), ZMQ_SNDMORE);
  send_text(socket_, welcome ? "200" : "400", ZMQ_SNDMORE);
  send_text(socket_, welcome ? "OK" : "untrusted key", ZMQ_SNDMORE);
  send_text(socket_, welcome ? user_id_of(key) : std::string(), ZMQ_SNDMORE);
  send_text(socket_, "", 0);
  return true;
}

bool zap_handler::admits(std::string const& domain, std::string const& mechanism,
                         std::span<std::byte const> credentials) const {
  bytes32 key{};
  if (domain != zap_domain || mechanism != "CURVE" || credentials.size() != key.size()) return false;
  std::copy(credentials.begin(), credentials.end(), key.begin());
  return trust_.admits(key);
}

std::string user_id_of(bytes32 const& key) { return crypto::to_hexadecimal(key); }

result<bytes32> key_of(std::string_view user_id) {
  bytes32 key{};
  if (auto const read = crypto::from_hexadecimal(user_id, key); !read) return read.failure();
  return key;
}

} // namespace mayfly::cluster
