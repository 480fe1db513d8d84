#pragma once
// The HTTP server: listens, accepts, and runs one session a connection on threads of its own.
#include "actors/accounts/account_directory.hpp"
#include "actors/actors.hpp"
#include "actors/api/listing.hpp"
#include "actors/api/model_catalogue.hpp"
#include "actors/api/request.hpp"
#include "actors/gateway/http/certificate.hpp"
#include "actors/gateway/http/limits.hpp"
#include "actors/gateway/http/routes.hpp"
#include "actors/gateway/request_log.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace mayfly::actors::http {

struct ingress_options {
  // Out of line: inlined, GCC 12 takes the optional's empty storage for a use of it (bug 80635).
  ingress_options();
  ingress_options(ingress_options&&) noexcept;
  ingress_options& operator=(ingress_options&&) noexcept;
  ~ingress_options();

  surface serves = surface::api;
  std::string address = "127.0.0.1"; ///< an IP address; without TLS a loopback one
  std::uint16_t port = 0;            ///< 0: any free one, see `ingress::port`
  std::optional<certificate> tls;    ///< TLS 1.3 alone; nothing: plain HTTP
  unsigned threads = 1;
  std::size_t connections = 1024; ///< more are turned away with 503
  connection_limits limits;
  api::request_limits requests;
  std::chrono::milliseconds generation_deadline{std::chrono::minutes(10)};
  std::chrono::milliseconds last_words{2000}; ///< for the client to take what says that the deadline passed
  std::chrono::milliseconds deadline_grace{5000};   ///< for the gateway to say that the deadline passed
  std::chrono::milliseconds receipt_patience{3000}; ///< retention itself waits up to 2 s
  std::chrono::milliseconds ping{15000};            ///< a stream's comment when there was nothing for so long
  std::size_t write_bytes = 64 * 1024;              ///< of a stream's events gathered into one write, about
};

struct readiness {
  bool ready = false;
  literal why{"starting"}; ///< if not
};

/// What an ingress works with. Everything pointed to outlives it. Functions are called from its threads.
struct ingress_dependencies {
  gateway_actor gateway;                                 ///< surface api
  accounts::account_directory const* accounts = nullptr; ///< surface api
  api::model_catalogue const* models = nullptr;          ///< surface api
  api::context_lookup context_tokens;                    ///< surface api: what workers say; may be none
  request_log* log = nullptr;                            ///< null: no log
  std::function<request_id()> make_request_id;           ///< names the retention instance that will hold it
  std::function<readiness()> ready;                      ///< for /readyz
  std::function<std::string()> metrics;                  ///< surface admin: Prometheus text, metadata alone
};

class ingress {
public:
  /// Binds and listens; connections are taken from `start` on. Errors: configuration (an address that is
  /// none; plain HTTP on an address that is not loopback; a certificate that cannot be used), io (`number` is
  /// errno: the port is taken, ...).
  static result<std::unique_ptr<ingress>> open(ingress_options options, ingress_dependencies dependencies);
  virtual ~ingress() = default;

  virtual std::uint16_t port() const noexcept = 0;
  virtual void start() = 0;
  /// Accepts no more, closes idle connections, lets what runs finish (each answer ends with its connection).
  virtual void drain() = 0;
  /// Connections that still stand.
  virtual std::size_t connections() const noexcept = 0;
  /// Ends everything: clients see their connections closed; each generation under way is abandoned. Joins the
  /// threads. Called by the destructor too.
  virtual void stop() = 0;
};

} // namespace mayfly::actors::http
