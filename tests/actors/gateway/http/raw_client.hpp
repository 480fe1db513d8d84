#pragma once
// A client that says exactly what it is told to, byte by byte.
#include <cstdint>
#include <string>
#include <string_view>

namespace mayfly::actors {

/// A response as it stood on the wire.
struct raw_response {
  int status = 0;
  std::string head; ///< status line and fields, lower case
  std::string body; ///< without chunk framing
  std::string_view field(std::string_view name) const;
};

class raw_client {
public:
  explicit raw_client(std::uint16_t port, int receive_buffer_bytes = 0);
  raw_client(raw_client const&) = delete;
  raw_client& operator=(raw_client const&) = delete;
  ~raw_client();

  /// False if the server has closed.
  bool send(std::string_view bytes);
  /// The next response; status 0 if the connection ended first, or after ten seconds.
  raw_response receive(bool without_body = false);
  /// Whatever comes until `text` stands in it; empty at the end of the connection.
  std::string receive_until(std::string_view text);
  /// True once the server has closed and all it sent is read.
  bool closed();
  void close();

private:
  bool more();
  std::string take(std::size_t bytes);

  int socket_ = -1;
  std::string received_;
};

/// A request with the test key, a Host and a Content-Length.
std::string request_text(std::string_view method, std::string_view target, std::string_view body = "",
                         std::string_view more_fields = "");

} // namespace mayfly::actors
