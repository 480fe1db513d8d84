#include "ops/cli/http_client.hpp"

#include <curl/curl.h>

namespace mayfly::cli {
namespace {

constexpr long connect_patience_ms = 5000;

/// One transfer: gathers the body, or cuts it into server-sent events (WHATWG HTML, 9.2).
struct transfer {
  std::function<bool(std::string_view)> const* listen = nullptr;
  bool events = false;
  std::string pending;
  http_answer answer;

  bool take(std::string_view bytes) {
    if (!events) {
      answer.body.append(bytes);
      return true;
    }
    pending.append(bytes);
    for (std::size_t end = 0; (end = pending.find('\n')) != std::string::npos;) {
      auto const line = pending.substr(0, end);
      pending.erase(0, end + 1);
      if (line.starts_with("data: ") && !(*listen)(std::string_view(line).substr(6))) return false;
    }
    return true;
  }

  void header(std::string_view line) {
    auto const colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string key(line.substr(0, colon));
    for (auto& c : key) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    auto value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n')) value.remove_suffix(1);
    if (key == "x-request-id") answer.request_id = value;
    if (key == "content-type")
      events = listen != nullptr && *listen && value.starts_with("text/event-stream");
  }
};

std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* context) {
  return static_cast<transfer*>(context)->take({bytes, count}) ? count : 0;
}
std::size_t on_header(char* bytes, std::size_t, std::size_t count, void* context) {
  static_cast<transfer*>(context)->header({bytes, count});
  return count;
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<std::function<bool()> const*>(context))() ? 1 : 0;
}

error failure_of(CURLcode code) {
  switch (code) {
  case CURLE_URL_MALFORMAT:
  case CURLE_UNSUPPORTED_PROTOCOL:
    return {errc::configuration, "that is no URL of a cluster: http://HOST:PORT or https://HOST:PORT", 0};
  case CURLE_COULDNT_RESOLVE_HOST:
    return {errc::unavailable, "no host has that name", 0};
  case CURLE_COULDNT_CONNECT:
    return {errc::unavailable, "nothing answers there: is the cluster up, and is it this port?", 0};
  case CURLE_OPERATION_TIMEDOUT:
    return {errc::unavailable, "nothing answers there in time: is the cluster up, and reachable from here?",
            0};
  case CURLE_PEER_FAILED_VERIFICATION:
    return {errc::untrusted, "its certificate is not trusted here: name it with --certificate FILE", 0};
  case CURLE_SSL_CACERT_BADFILE:
    return {errc::configuration, "the certificate file cannot be read, or holds none", 0};
  case CURLE_SSL_CONNECT_ERROR:
    return {errc::unavailable, "TLS could not begin: does the cluster speak plain http?", 0};
  case CURLE_ABORTED_BY_CALLBACK:
    return {errc::cancelled, "stopped", 0};
  default:
    return {errc::unavailable, "the connection ended before the answer did: is it http, or https?", 0};
  }
}

/// What follows the scheme names this machine. Mayfly speaks plain HTTP nowhere else.
bool names_this_machine(std::string_view rest) {
  auto const host = rest.substr(0, rest.find('/'));
  return host.starts_with("127.") || host.starts_with("[::1]") || host == "localhost" ||
         host.starts_with("localhost:");
}

} // namespace

std::string base_url(std::string given) {
  if (given.find("://") == std::string::npos)
    given = (names_this_machine(given) ? "http://" : "https://") + given;
  auto const without = [&given](std::string_view end) {
    while (given.ends_with(end)) given.resize(given.size() - end.size());
  };
  without("/");
  without("/v1");
  without("/");
  return given;
}

struct http_client::handle {
  CURL* curl = curl_easy_init();
  curl_slist* headers = nullptr;
  ~handle() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
  }
};

http_client::http_client(cluster_access access)
    : access_(std::move(access)), handle_(std::make_unique<handle>()) {
  handle_->headers = curl_slist_append(nullptr, ("Authorization: Bearer " + access_.api_key).c_str());
  handle_->headers = curl_slist_append(handle_->headers, "Content-Type: application/json");
}

http_client::~http_client() = default;

result<http_answer> http_client::get(std::string_view path) {
  curl_easy_setopt(handle_->curl, CURLOPT_HTTPGET, 1L);
  return perform(path, {});
}

result<http_answer> http_client::post(std::string_view path, std::string const& json,
                                      std::function<bool(std::string_view)> const& listen) {
  curl_easy_setopt(handle_->curl, CURLOPT_POSTFIELDS, json.c_str());
  curl_easy_setopt(handle_->curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  return perform(path, listen);
}

result<http_answer> http_client::perform(std::string_view path,
                                         std::function<bool(std::string_view)> const& listen) {
  transfer state;
  state.listen = &listen;
  CURL* curl = handle_->curl;
  auto const url = access_.url + std::string(path);
  constexpr std::string_view plain = "http://";
  if (url.starts_with(plain) && !names_this_machine(std::string_view(url).substr(plain.size())))
    return error{errc::configuration, "plain http is for this machine alone: use https://", 0};
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, handle_->headers);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_patience_ms);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, ""); // the environment's would read key and prompt
  if (!access_.certificate.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, access_.certificate.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &state);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &state);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, cancelled_ ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &cancelled_);
  auto const outcome = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &state.answer.status);
  // A listener that has heard enough ends the transfer with CURLE_WRITE_ERROR.
  if (outcome != CURLE_OK && outcome != CURLE_WRITE_ERROR) return failure_of(outcome);
  return std::move(state.answer);
}

} // namespace mayfly::cli
