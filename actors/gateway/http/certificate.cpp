#include "actors/gateway/http/certificate.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace mayfly::actors::http {
namespace {

constexpr std::size_t largest_pem_bytes = std::size_t{1} << 20;

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using extension_ptr = std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>>;
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free_all>>;
using number_ptr = std::unique_ptr<BIGNUM, freed_by<BN_free>>;

error const openssl_failed{errc::internal, "OpenSSL cannot make the certificate", 0};

bool is_address(std::string const& text) noexcept {
  unsigned char parsed[sizeof(in6_addr)];
  return inet_pton(AF_INET, text.c_str(), parsed) == 1 || inet_pton(AF_INET6, text.c_str(), parsed) == 1;
}

/// Letters that subjectAltName's own syntax could mistake are refused.
bool is_host(std::string_view text) noexcept {
  if (text.empty() || text.size() > 253) return false;
  for (char const c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
      return false;
  return true;
}

bool add_extension(X509* to, int kind, std::string const& text) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, to, to, nullptr, nullptr, 0);
  extension_ptr const made(X509V3_EXT_conf_nid(nullptr, &context, kind, text.c_str()));
  return made && X509_add_ext(to, made.get(), -1) == 1;
}

bool add_identity(X509* to, EVP_PKEY* key) {
  unsigned char serial[16];
  if (RAND_bytes(serial, sizeof serial) != 1) return false;
  serial[0] &= 0x7F; // positive
  number_ptr const number(BN_bin2bn(serial, sizeof serial, nullptr));
  if (!number || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(to)) == nullptr) return false;
  auto* const subject = X509_get_subject_name(to);
  auto const* const title = reinterpret_cast<unsigned char const*>("Mayfly, self-signed");
  return X509_set_version(to, X509_VERSION_3) == 1 && X509_set_pubkey(to, key) == 1 &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, title, -1, -1, 0) == 1 &&
         X509_set_issuer_name(to, subject) == 1;
}

bool add_times(X509* to, std::chrono::hours lifetime) {
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(lifetime).count();
  return X509_gmtime_adj(X509_getm_notBefore(to), -3600) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(to), static_cast<long>(seconds)) != nullptr;
}

bool add_uses(X509* to, std::string const& alternatives) {
  // A certificate that signs itself must be a CA for most clients to trust it as a root.
  return add_extension(to, NID_subject_alt_name, alternatives) &&
         add_extension(to, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         add_extension(to, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
         add_extension(to, NID_ext_key_usage, "serverAuth") &&
         add_extension(to, NID_subject_key_identifier, "hash");
}

std::string_view held_by(BIO* memory) {
  char* data = nullptr;
  auto const size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

result<certificate> to_pem(X509* chain, EVP_PKEY* key) {
  bio_ptr const chain_text(BIO_new(BIO_s_mem()));
  // OpenSSL's "secmem" BIO cleanses what it held.
  bio_ptr const key_text(BIO_new(BIO_s_secmem()));
  if (!chain_text || !key_text || PEM_write_bio_X509(chain_text.get(), chain) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_failed;
  certificate made;
  made.chain_pem = held_by(chain_text.get());
  made.key_pem = ephemeral_text(held_by(key_text.get()));
  return made;
}

result<ephemeral_text> read_text(std::filesystem::path const& path) {
  int const descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return error{errc::io, "cannot open a certificate or key", errno};
  ephemeral_text text;
  ssize_t got = 0;
  do {
    auto const held = text.size();
    text.resize(held + 4096);
    got = ::read(descriptor, text.characters().reveal().data() + held, 4096);
    text.resize(held + static_cast<std::size_t>(got > 0 ? got : 0));
  } while (got > 0 && text.size() <= largest_pem_bytes);
  int const problem = errno;
  ::close(descriptor);
  if (got < 0) return error{errc::io, "cannot read a certificate or key", problem};
  if (text.size() > largest_pem_bytes) return error{errc::too_large, "a certificate or key is too large", 0};
  return text;
}

} // namespace

result<certificate> read_certificate(std::filesystem::path const& chain, std::filesystem::path const& key) {
  auto chain_text = read_text(chain);
  if (!chain_text) return chain_text.failure();
  auto key_text = read_text(key);
  if (!key_text) return key_text.failure();
  certificate made;
  made.chain_pem = chain_text->reveal();
  made.key_pem = std::move(*key_text);
  return made;
}

result<certificate> make_self_signed(std::vector<std::string> const& names, std::chrono::hours lifetime) {
  std::string alternatives;
  for (auto const& one : names) {
    bool const address = is_address(one);
    if (!address && !is_host(one))
      return error{errc::invalid_request, "a certificate's name is no host and no address", 0};
    if (!alternatives.empty()) alternatives += ',';
    alternatives += (address ? "IP:" : "DNS:") + one;
  }
  key_ptr const key(EVP_EC_gen("P-256"));
  certificate_ptr const made(X509_new());
  if (!key || !made || !add_identity(made.get(), key.get()) || !add_times(made.get(), lifetime) ||
      !add_uses(made.get(), alternatives) || X509_sign(made.get(), key.get(), EVP_sha256()) == 0)
    return openssl_failed;
  return to_pem(made.get(), key.get());
}

bool is_good_for(std::string const& chain_pem, std::vector<std::string> const& names,
                 std::chrono::hours time) {
  bio_ptr const text(BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())));
  certificate_ptr const shown(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!shown) return false;
  std::time_t until = std::time(nullptr) + std::chrono::duration_cast<std::chrono::seconds>(time).count();
  if (X509_cmp_time(X509_get0_notAfter(shown.get()), &until) <= 0) return false;
  return std::all_of(names.begin(), names.end(), [&](std::string const& one) {
    return is_address(one) ? X509_check_ip_asc(shown.get(), one.c_str(), 0) == 1
                           : X509_check_host(shown.get(), one.data(), one.size(), 0, nullptr) == 1;
  });
}

} // namespace mayfly::actors::http
