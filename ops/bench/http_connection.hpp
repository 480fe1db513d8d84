#pragma once
// One keep-alive HTTP/1.1 connection for measurements: a blocking socket and no library between the caller
// and it, so that a round trip costs tens of microseconds and not Python's hundreds.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mayfly::bench {

using steady = std::chrono::steady_clock;

struct endpoint {
  std::string host; ///< IPv4 address
  std::uint16_t port = 0;
};

/// One answer, with the times at which it arrived.
struct exchange {
  int status = 0; ///< 0: the connection broke, or what came was no HTTP that this client knows
  steady::time_point sent;
  steady::time_point ended;
  std::string body;                      ///< whole, chunking undone
  std::vector<steady::time_point> texts; ///< arrival of each server-sent event that carries text
};

class connection {
public:
  explicit connection(endpoint to);
  ~connection();
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;

  bool is_open() const noexcept { return socket_ >= 0; }

  /// Sends a whole request (head and body) and reads the whole answer; connects anew, before the clock runs,
  /// where the server has closed. `status` 0 on any failure.
  exchange perform(std::string const& request);

private:
  void open();
  bool was_closed();
  bool send_all(std::string_view bytes);
  bool receive();
  bool read_head(exchange& into);
  bool read_body(exchange& into);
  bool read_chunks(exchange& into);
  void note_texts(exchange& into, steady::time_point now);

  endpoint to_;
  int socket_ = -1;
  bool closes_ = false;    ///< the last answer said so
  std::string pending_;    ///< received, not yet taken
  std::size_t length_ = 0; ///< content-length
  bool chunked_ = false;
  std::size_t examined_ = 0; ///< of the body: whole lines looked at for events
};

} // namespace mayfly::bench
