#pragma once
// The request log: one line of JSON a request, from the closed list of metadata. A record has no field that
// could hold a client's text, so content cannot get in.
#include "protocol/messages/inference.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

namespace mayfly::actors {

struct request_record {
  std::int64_t at_unix_ms = 0; ///< when the request began
  request_id request;
  account_id account;     ///< 0: not authenticated
  name model;             ///< the catalogue's; empty ("-"): none was named
  bool generates = false; ///< the fields below, to `choices`, mean something
  messages::sampling parameters;
  bool stream = false;
  std::uint32_t choices = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint16_t status = 0; ///< HTTP; 499: the client left first
  errc code = errc::ok;
  std::chrono::microseconds latency{0};
  std::chrono::microseconds first_token{0}; ///< until the first chunk was ready; 0: there was none
};

/// What a model's tokens cost, in the operator's currency.
struct token_price {
  name model;
  double per_million_prompt = 0;
  double per_million_completion = 0;
};

struct request_log_options {
  std::filesystem::path path; ///< appended to, mode 0600; empty: `descriptor`
  int descriptor = -1;        ///< not closed by the log; -1 with an empty path: nothing is written
  std::size_t roll_bytes = std::size_t{64} << 20; ///< a fuller file becomes <path>.1, that one .2, ...
  unsigned kept_files = 4;                        ///< rolled ones; older are deleted
  std::size_t queued_records = 65536;             ///< beyond them records are dropped and counted
  std::vector<token_price> prices;
  std::function<void(std::uint64_t)>
      on_loss; ///< told `dropped()` when it has grown; any thread; queue and return
};

/// Written by a thread of its own: `append` never waits for the disk.
class request_log {
public:
  /// Errors: io (`number` is errno).
  static result<std::unique_ptr<request_log>> open(request_log_options options);
  virtual ~request_log() = default;
  /// Thread-safe.
  virtual void append(request_record record) = 0;
  /// Waits until all that was appended is written.
  virtual void flush() = 0;
  /// Records lost to a full queue or a failing disk.
  virtual std::uint64_t dropped() const noexcept = 0;
};

/// The record's line, without its newline.
void write_record(ephemeral_text& out, request_record const& record, std::vector<token_price> const& prices);

/// Tokens times price; 0 for a model without one.
double cost_of(request_record const& record, std::vector<token_price> const& prices) noexcept;

} // namespace mayfly::actors
