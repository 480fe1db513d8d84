#pragma once
// One request's bytes to its parts: the strict check first, then Beast. No socket: the reader feeds it, and
// it can be fuzzed. Its source is the one place of the project that includes Beast.
#include "actors/gateway/http/routes.hpp"
#include "protocol/base/ephemeral.hpp"

#include <memory>
#include <optional>

namespace mayfly::actors::http {

/// Views into a request's head: valid as long as its parsing.
struct request_facts {
  method asked = method::other;
  std::string_view target; ///< origin form
  bool modern = false;     ///< HTTP/1.1
  bool keep_alive = false;
  bool has_body = false;
  bool expects_continue = false;
};

class request_parsing {
public:
  /// `head` is whole (strict_head.hpp's head_size) and not needed afterwards. Errors: invalid_request,
  /// headers_too_large, body_too_large (announced to be more than `body_bytes`).
  static result<request_parsing> begin(std::string_view head, std::size_t head_bytes, std::size_t body_bytes);
  request_parsing(request_parsing&&) noexcept;
  request_parsing& operator=(request_parsing&&) noexcept;
  ~request_parsing();

  request_facts const& facts() const noexcept { return facts_; }
  std::optional<std::uint64_t> announced_bytes() const; ///< Content-Length
  bool chunked() const;

  /// Takes bytes of the body; gives how many: the rest belongs to the next request, or is a piece that needs
  /// more behind it. Errors: invalid_request, body_too_large.
  result<std::size_t> put(std::string_view bytes);
  bool done() const;

  /// A field's value, or nothing. Of a repeated field the first.
  std::string_view field(std::string_view name) const;
  bool repeated(std::string_view name) const;
  ephemeral_text& body();

private:
  struct state;
  explicit request_parsing(std::unique_ptr<state> made);
  result<void> read_facts();

  std::unique_ptr<state> state_;
  request_facts facts_;
};

} // namespace mayfly::actors::http
