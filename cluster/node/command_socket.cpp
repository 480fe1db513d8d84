#include "cluster/node/command_socket.hpp"

#include "protocol/base/clock.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace mayfly::node {
namespace {

constexpr std::size_t longest_line = 4096;
constexpr std::int64_t patience_ms = 2000;
constexpr std::int64_t answer_patience_ms = 30000; ///< no client waits longer

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(boot_clock::now().time_since_epoch()).count();
}

error failed(errc code, literal what) { return error{code, what, errno}; }

result<sockaddr_un> address_of(std::filesystem::path const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path)
    return error{errc::configuration, "the path of the command socket is too long", sizeof address.sun_path};
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

int connected(std::filesystem::path const& path) {
  auto address = address_of(path);
  if (!address) return -1;
  int const descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(descriptor, reinterpret_cast<sockaddr const*>(&*address), sizeof *address) == 0)
    return descriptor;
  close(descriptor);
  return -1;
}

} // namespace

result<std::unique_ptr<command_socket>> command_socket::open(std::filesystem::path const& path) {
  auto address = address_of(path);
  if (!address) return address.failure();
  if (int const other = connected(path); other >= 0) {
    close(other);
    return error{errc::not_permitted, "a cluster already runs in this directory", 0};
  }
  unlink(path.c_str());
  int const listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listening < 0) return failed(errc::io, "no Unix socket could be made");
  mode_t const kept = umask(0177);
  bool const bound = bind(listening, reinterpret_cast<sockaddr const*>(&*address), sizeof *address) == 0;
  umask(kept);
  if (!bound || listen(listening, 64) != 0) {
    close(listening);
    return failed(errc::io, "the command socket could not be bound");
  }
  return std::unique_ptr<command_socket>(new command_socket(path, listening));
}

command_socket::~command_socket() {
  for (auto& [id, waiting] : clients_) close(waiting.descriptor);
  close(listening_);
  unlink(path_.c_str());
}

void command_socket::watch(std::vector<pollfd>& watched) const {
  watched.push_back({listening_, POLLIN, 0});
  for (auto const& [id, from] : clients_)
    if (!from.asked) watched.push_back({from.descriptor, POLLIN, 0});
}

void command_socket::poll(std::function<void(ticket, std::string const&)> const& serve) {
  for (int descriptor = 0;
       (descriptor = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
    clients_[next_++] = client{descriptor, now_ms()};
  std::vector<ticket> asked;
  for (auto it = clients_.begin(); it != clients_.end();) {
    auto& [id, from] = *it;
    if (!from.asked && read_line(from)) asked.push_back(id);
    bool const late = now_ms() - from.since_ms > (from.asked ? answer_patience_ms : patience_ms);
    bool const over = late || (from.left && !from.asked);
    if (over) close(from.descriptor);
    it = over ? clients_.erase(it) : std::next(it);
  }
  for (auto id : asked) serve(id, std::string(clients_.at(id).line));
}

bool command_socket::read_line(client& from) {
  char buffer[512];
  for (;;) {
    auto const got = recv(from.descriptor, buffer, sizeof buffer, 0);
    from.left = got == 0;
    if (got <= 0) return false;
    from.line.append(buffer, static_cast<std::size_t>(got));
    auto const end = from.line.find('\n');
    if (end == std::string::npos && from.line.size() < longest_line) continue;
    from.line.resize(std::min(end, longest_line));
    return from.asked = true;
  }
}

void command_socket::answer(ticket id, std::string_view text) {
  auto const found = clients_.find(id);
  if (found == clients_.end()) return;
  int const descriptor = found->second.descriptor;
  while (!text.empty()) {
    auto const sent = send(descriptor, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
    pollfd writable{descriptor, POLLOUT, 0};
    if (sent <= 0 && (errno != EAGAIN || ::poll(&writable, 1, 1000) <= 0)) break;
  }
  close(descriptor);
  clients_.erase(found);
}

result<std::string> ask_supervisor(std::filesystem::path const& path, std::string_view line, int timeout_ms) {
  int const descriptor = connected(path);
  if (descriptor < 0) return error{errc::unavailable, "no cluster runs in this directory", 0};
  std::unique_ptr<int const, void (*)(int const*)> const guard(&descriptor,
                                                               [](int const* open) { close(*open); });
  std::string const request = std::string(line) + "\n";
  send(descriptor, request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  auto const end = now_ms() + timeout_ms;
  for (;;) {
    pollfd readable{descriptor, POLLIN, 0};
    auto const left = end - now_ms();
    if (left <= 0 || ::poll(&readable, 1, static_cast<int>(left)) <= 0)
      return error{errc::deadline_exceeded, "the supervisor did not answer in time", timeout_ms};
    char buffer[4096];
    auto const got = recv(descriptor, buffer, sizeof buffer, 0);
    if (got <= 0) return answer;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
}

} // namespace mayfly::node
