#pragma once
// The Unix socket (0600) on which a running cluster answers the command line of its machine. One request a
// connection: a line of text; the answer is all that comes back until the end. Metadata only.
#include "protocol/base/result.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <vector>

namespace mayfly::node {

/// The supervisor's end; driven by its event loop.
class command_socket {
public:
  using ticket = std::uint64_t;

  /// Errors: io; not_permitted where another cluster answers on this path.
  static result<std::unique_ptr<command_socket>> open(std::filesystem::path const& path);
  ~command_socket();

  /// Appends what to wait for: a new client, or the line of one that is here.
  void watch(std::vector<pollfd>& watched) const;

  /// Takes what has come in; calls `serve` with each whole line. Clients that send nothing for 2 s are
  /// dropped.
  void poll(std::function<void(ticket, std::string const&)> const& serve);

  /// Sends an answer and closes. Unknown tickets are ignored: the client may have left.
  void answer(ticket client, std::string_view text);

private:
  struct client {
    int descriptor = -1;
    std::int64_t since_ms = 0;
    std::string line{};
    bool asked = false;
    bool left = false; ///< without a line
  };
  explicit command_socket(std::filesystem::path path, int listening)
      : path_(std::move(path)), listening_(listening) {}
  bool read_line(client& from);

  std::filesystem::path path_;
  int listening_;
  ticket next_ = 1;
  std::map<ticket, client> clients_;
};

/// The command line's end: sends `line`, waits for the whole answer. Errors: unavailable (no cluster runs
/// here), deadline_exceeded.
result<std::string> ask_supervisor(std::filesystem::path const& path, std::string_view line,
                                   int timeout_ms = 5000);

} // namespace mayfly::node
