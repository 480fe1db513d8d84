#include "ops/bench/http_connection.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace mayfly::bench {

namespace {

std::optional<std::size_t> number(std::string_view text, int base) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  std::size_t value = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failure != std::errc()) return std::nullopt;
  return value;
}

/// The value of a header in a head whose names were made lower case; empty where it is missing.
std::string_view header(std::string_view head, std::string_view named) {
  auto const at = head.find(named);
  if (at == std::string_view::npos) return {};
  auto const from = at + named.size();
  return head.substr(from, head.find("\r\n", from) - from);
}

/// True for an event whose delta has text: `"content":"x`, or `"text":"x` from completions. The first event
/// of a chat carries a role and an empty content, the last ones none at all.
bool carries_text(std::string_view line) {
  for (std::string_view const key : {"\"content\":", "\"text\":"}) {
    auto at = line.find(key);
    if (at == std::string_view::npos) continue;
    at += key.size();
    while (at < line.size() && line[at] == ' ') ++at;
    if (at + 1 < line.size() && line[at] == '"' && line[at + 1] != '"') return true;
  }
  return false;
}

} // namespace

connection::connection(endpoint to) : to_(std::move(to)) { open(); }

void connection::open() {
  if (socket_ >= 0) close(std::exchange(socket_, -1));
  pending_.clear();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to_.port);
  if (inet_pton(AF_INET, to_.host.c_str(), &address.sin_addr) != 1) return;
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int const on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    socket_ = -1;
  }
}

connection::~connection() {
  if (socket_ >= 0) close(socket_);
}

/// Some servers close after each stream, announced or not.
bool connection::was_closed() {
  char byte = 0;
  return socket_ >= 0 && recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool connection::send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    auto const count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool connection::receive() {
  char bytes[16384];
  auto const count = recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  pending_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool connection::read_head(exchange& into) {
  std::size_t end = 0;
  while ((end = pending_.find("\r\n\r\n")) == std::string::npos)
    if (!receive()) return false;
  auto head = pending_.substr(0, end + 2);
  pending_.erase(0, end + 4);
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (!head.starts_with("http/1.1 ")) return false;
  into.status = static_cast<int>(number(std::string_view(head).substr(9, 3), 10).value_or(0));
  closes_ = header(head, "\r\nconnection:").find("close") != std::string_view::npos;
  chunked_ = header(head, "\r\ntransfer-encoding:").find("chunked") != std::string_view::npos;
  auto const length = number(header(head, "\r\ncontent-length:"), 10);
  length_ = length.value_or(0);
  return chunked_ || length;
}

bool connection::read_body(exchange& into) {
  if (chunked_) return read_chunks(into);
  while (pending_.size() < length_)
    if (!receive()) return false;
  into.body.assign(pending_, 0, length_);
  pending_.erase(0, length_);
  return true;
}

bool connection::read_chunks(exchange& into) {
  auto arrived = steady::now();
  auto more = [&] {
    bool const received = receive();
    arrived = steady::now();
    return received;
  };
  for (;;) {
    std::size_t line = 0;
    while ((line = pending_.find("\r\n")) == std::string::npos)
      if (!more()) return false;
    auto const size = number(std::string_view(pending_).substr(0, line), 16);
    if (!size) return false;
    while (pending_.size() < line + 2 + *size + 2)
      if (!more()) return false;
    into.body.append(pending_, line + 2, *size);
    pending_.erase(0, line + 2 + *size + 2);
    if (*size == 0) return true;
    note_texts(into, arrived);
  }
}

void connection::note_texts(exchange& into, steady::time_point now) {
  std::size_t end = 0;
  while ((end = into.body.find('\n', examined_)) != std::string::npos) {
    if (carries_text(std::string_view(into.body).substr(examined_, end - examined_)))
      into.texts.push_back(now);
    examined_ = end + 1;
  }
}

exchange connection::perform(std::string const& request) {
  exchange made;
  examined_ = 0;
  if (closes_ || was_closed()) open();
  closes_ = false;
  made.sent = steady::now();
  bool answered = is_open() && send_all(request) && read_head(made);
  if (!answered && pending_.empty()) { // the server's close crossed this request: nobody has read it
    open();
    made.sent = steady::now();
    answered = is_open() && send_all(request) && read_head(made);
  }
  bool const whole = answered && read_body(made);
  made.ended = steady::now();
  if (!whole) made.status = 0;
  return made;
}

} // namespace mayfly::bench
