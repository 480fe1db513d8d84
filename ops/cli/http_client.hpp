#pragma once
// The command line as an HTTP client (libcurl).
#include "protocol/base/result.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace mayfly::cli {

/// Where a cluster answers, and with which key.
struct cluster_access {
  std::string url; ///< "http://host:port": as `base_url` gives it
  std::string api_key;
  std::string certificate; ///< PEM file to trust; empty: the system's
  std::string model;       ///< default model
};

struct http_answer {
  long status = 0;
  std::string body;       ///< empty where a listener took it
  std::string request_id; ///< x-request-id
};

/// What people give as a cluster's URL, as the client wants it: the scheme may be left out, and OpenAI
/// clients have "/v1" at the end.
std::string base_url(std::string given);

class http_client {
public:
  explicit http_client(cluster_access access);
  ~http_client();

  std::string const& url() const noexcept { return access_.url; }

  /// Asked again and again while a transfer runs; it ends with `cancelled` once the answer is true.
  void cancel_when(std::function<bool()> cancelled) { cancelled_ = std::move(cancelled); }

  /// Errors: unavailable (no connection, or not to the end), configuration (a URL that is none, a certificate
  /// file that is none), untrusted (the other side's certificate), cancelled.
  result<http_answer> get(std::string_view path);

  /// Sends JSON. `listen` is called with each server-sent event's data while the answer runs; an answer of
  /// another kind is gathered in `body`. Ends early where `listen` returns false.
  result<http_answer> post(std::string_view path, std::string const& json,
                           std::function<bool(std::string_view data)> const& listen = {});

private:
  struct handle;
  result<http_answer> perform(std::string_view path, std::function<bool(std::string_view)> const& listen);
  cluster_access access_;
  std::function<bool()> cancelled_;
  std::unique_ptr<handle> handle_;
};

} // namespace mayfly::cli
