#include "actors/gateway/http/certificate.hpp"
#include "server.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

using namespace mayfly;
using namespace mayfly::actors;

namespace {

struct tls_answer {
  bool greeted = false;
  std::string version;
  std::string text;
};

/// Connects, trusting `root` alone and expecting "localhost"; asks for /healthz.
tls_answer ask_over_tls(std::uint16_t port, std::string const& root, int newest_version) {
  tls_answer made;
  auto* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, newest_version);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  auto* const text = BIO_new_mem_buf(root.data(), static_cast<int>(root.size()));
  auto* const certificate = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
  int const socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket, reinterpret_cast<sockaddr const*>(&place), sizeof place) == 0);
  auto* const session = SSL_new(context);
  SSL_set_fd(session, socket);
  SSL_set1_host(session, "localhost");
  made.greeted = SSL_connect(session) == 1;
  if (made.greeted) {
    made.version = SSL_get_version(session);
    std::string const request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    SSL_write(session, request.data(), static_cast<int>(request.size()));
    char bytes[4096];
    int got = 0;
    while ((got = SSL_read(session, bytes, sizeof bytes)) > 0)
      made.text.append(bytes, static_cast<std::size_t>(got));
    SSL_shutdown(session);
  }
  ERR_clear_error();
  SSL_free(session);
  ::close(socket);
  X509_free(certificate);
  BIO_free(text);
  SSL_CTX_free(context);
  return made;
}

struct tls_server {
  tls_server() {
    auto made = *http::make_self_signed();
    root = made.chain_pem;
    http::ingress_options options;
    options.tls = std::move(made);
    running.emplace([](auto request) { deliver_answer(*request, {"ok"}); }, std::move(options));
  }
  std::string root;
  std::optional<server> running;
};

} // namespace

TEST_CASE("a client that trusts the self-signed certificate talks TLS 1.3") {
  tls_server one;
  auto const answer = ask_over_tls(one.running->port(), one.root, TLS1_3_VERSION);
  REQUIRE(answer.greeted);
  CHECK(answer.version == "TLSv1.3");
  CHECK(answer.text.ends_with(R"({"status":"ok"})"));
}

TEST_CASE("TLS 1.2 is refused") {
  tls_server one;
  CHECK_FALSE(ask_over_tls(one.running->port(), one.root, TLS1_2_VERSION).greeted);
}

TEST_CASE("another certificate is not trusted") {
  tls_server one;
  auto const other = *http::make_self_signed();
  CHECK_FALSE(ask_over_tls(one.running->port(), other.chain_pem, TLS1_3_VERSION).greeted);
}

TEST_CASE("plain HTTP on a TLS port gets no answer") {
  tls_server one;
  CHECK(one.running->ask(request_text("GET", "/healthz")).status == 0);
}

TEST_CASE("names that are none make no certificate") {
  CHECK_FALSE(http::make_self_signed({"a,DNS:evil"}).has_value());
  CHECK_FALSE(http::make_self_signed({""}).has_value());
}

TEST_CASE("an ingress refuses plain HTTP beyond loopback, and certificates that are none") {
  http::ingress_options plain;
  plain.address = "0.0.0.0";
  auto refused = http::ingress::open(std::move(plain), {});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code == errc::configuration);
  http::ingress_options broken;
  broken.tls = http::certificate{"no certificate", ephemeral_text("no key")};
  CHECK_FALSE(http::ingress::open(std::move(broken), {}).has_value());
  http::ingress_options nowhere;
  nowhere.address = "localhost";
  CHECK_FALSE(http::ingress::open(std::move(nowhere), {}).has_value());
}

TEST_CASE("a taken port is an error of the machine") {
  server one([](auto) {});
  http::ingress_options same;
  same.port = one.port();
  auto refused = http::ingress::open(std::move(same), {});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code == errc::io);
}

TEST_CASE("a certificate is good while it names all and does not end soon") {
  auto const made = http::make_self_signed({"localhost", "10.0.0.1"}, std::chrono::hours(48));
  REQUIRE(made);
  CHECK(http::is_good_for(made->chain_pem, {"localhost", "10.0.0.1"}, std::chrono::hours(47)));
  CHECK_FALSE(http::is_good_for(made->chain_pem, {"localhost"}, std::chrono::hours(49)));
  CHECK_FALSE(http::is_good_for(made->chain_pem, {"localhost", "10.0.0.2"}, std::chrono::hours(1)));
  CHECK_FALSE(http::is_good_for(made->chain_pem, {"other"}, std::chrono::hours(1)));
  CHECK_FALSE(http::is_good_for("no certificate", {}, std::chrono::hours(1)));
}
