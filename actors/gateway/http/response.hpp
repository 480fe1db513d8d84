#pragma once
// Response heads, chunk framing and server-sent events, into one contiguous buffer that is written at once.
#include "actors/api/refusal.hpp"
#include "protocol/base/ids.hpp"

#include <optional>

namespace mayfly::actors::http {

enum class media : std::uint8_t { json = 0, events = 1, text = 2, metrics = 3 };

/// How the connection goes on after the response.
enum class persistence : std::uint8_t { keep = 0, close = 1 };

struct response_head {
  std::uint16_t status = 200;
  media type = media::json;
  request_id request;                      ///< x-request-id
  std::optional<std::uint64_t> body_bytes; ///< Content-Length; nothing: chunked, or until the close
  bool chunked = false;
  persistence after = persistence::keep;
  literal allow{""};
  std::uint32_t retry_seconds = 0;
  bool challenge = false; ///< WWW-Authenticate: Bearer
};

/// Appends status line and fields, the empty line included. Every answer is `Cache-Control: no-store`.
void write_head(ephemeral_text& out, response_head const& head);

/// A whole response: head and body in one buffer. `omit_body` answers HEAD: the length stays.
ephemeral_text whole_response(response_head head, std::string_view body, bool omit_body);

/// Frames what is appended to a buffer between `open` and `close` as one HTTP chunk; passes it through as it
/// is where the protocol knows no chunks (HTTP/1.0).
class chunk_frame {
public:
  chunk_frame(ephemeral_text& out, bool chunked) noexcept : out_(out), chunked_(chunked) {}
  void open();
  /// An empty chunk is taken back: it would end the body.
  void close();
  /// The chunk that ends the body.
  void end();
  bool is_open() const noexcept { return open_; }

private:
  ephemeral_text& out_;
  bool chunked_;
  bool open_ = false;
  std::size_t start_ = 0;
};

/// An event's frame: "data: " before its JSON, an empty line after.
inline constexpr std::string_view event_begins = "data: ";
inline constexpr std::string_view event_ends = "\n\n";
inline constexpr std::string_view stream_is_done = "data: [DONE]\n\n";
inline constexpr std::string_view keep_alive_comment = ": ping\n\n";

} // namespace mayfly::actors::http
