#include "raw_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace mayfly::actors {

std::string_view raw_response::field(std::string_view name) const {
  auto const at = head.find("\r\n" + std::string(name) + ": ");
  if (at == std::string::npos) return {};
  auto const begin = at + name.size() + 4;
  return std::string_view(head).substr(begin, head.find("\r\n", begin) - begin);
}

raw_client::raw_client(std::uint16_t port, int receive_buffer_bytes) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer_bytes != 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  timeval const limit{10, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr const*>(&place), sizeof place) != 0)
    throw std::runtime_error("cannot connect");
}

raw_client::~raw_client() { close(); }

void raw_client::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    auto const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool raw_client::more() {
  char bytes[16384];
  auto const got = ::recv(socket_, bytes, sizeof bytes, 0);
  if (got > 0) received_.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

bool raw_client::closed() {
  while (more()) {
  }
  char byte = 0;
  return ::recv(socket_, &byte, 1, MSG_DONTWAIT) <= 0;
}

std::string raw_client::take(std::size_t bytes) {
  while (received_.size() < bytes && more()) {
  }
  bytes = std::min(bytes, received_.size());
  auto taken = received_.substr(0, bytes);
  received_.erase(0, bytes);
  return taken;
}

std::string raw_client::receive_until(std::string_view text) {
  std::size_t at = 0;
  while ((at = received_.find(text)) == std::string::npos)
    if (!more()) return {};
  return take(at + text.size());
}

raw_response raw_client::receive(bool without_body) {
  raw_response made;
  made.head = receive_until("\r\n\r\n");
  if (made.head.size() < 12) return made;
  made.status = std::stoi(made.head.substr(9, 3));
  std::transform(made.head.begin(), made.head.end(), made.head.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (without_body || made.status == 100) return made;
  if (made.field("transfer-encoding") == "chunked") {
    for (;;) {
      auto const size = std::stoul(receive_until("\r\n"), nullptr, 16);
      made.body += take(size);
      take(2);
      if (size == 0) return made;
    }
  }
  auto const length = made.field("content-length");
  if (!length.empty()) {
    made.body = take(std::stoul(std::string(length)));
  } else {
    while (more()) {
    }
    made.body = take(received_.size());
  }
  return made;
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view more_fields) {
  std::string text(method);
  text += ' ';
  text += target;
  text += " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer mf-test\r\n";
  if (!body.empty())
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += more_fields;
  text += "\r\n";
  text += body;
  return text;
}

} // namespace mayfly::actors
