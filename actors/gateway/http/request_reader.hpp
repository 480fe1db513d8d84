#pragma once
// Requests off a connection, one after the other: the head under strict rules, then the body into memory that
// wipes itself.
#include "actors/gateway/http/connection.hpp"
#include "actors/gateway/http/limits.hpp"
#include "actors/gateway/http/request_parsing.hpp"

#include <optional>

namespace mayfly::actors::http {

class request_reader {
public:
  request_reader(connection& from, connection_limits const& limits);

  /// Reads the next head. Errors: cancelled (the peer left, or was idle for too long: no answer is due),
  /// request_timeout, headers_too_large, body_too_large (announced), invalid_request.
  asio::awaitable<result<request_facts>> read_head();
  /// Reads the body, whole. Errors: as above.
  asio::awaitable<result<void>> read_body();

  /// A field's value, or nothing. Of a repeated field the first.
  std::string_view field(std::string_view name) const;
  /// True if the field stands there more than once.
  bool repeated(std::string_view name) const;
  ephemeral_text& body();
  /// Bytes that belong to a later request are here already.
  bool has_pipelined() const noexcept;

  /// Wipes the request. What was pipelined after it stays.
  void forget();

private:
  asio::awaitable<result<void>> fill_head();
  result<request_facts> parse_head(std::size_t size);
  result<void> put_body();

  connection& from_;
  connection_limits const& limits_;
  ephemeral_buffer<char> received_; ///< not parsed yet
  std::optional<request_parsing> request_;
};

} // namespace mayfly::actors::http
