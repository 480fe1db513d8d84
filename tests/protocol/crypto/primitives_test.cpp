// Hashes, signatures, link keys and encodings against published vectors.
#include "protocol/crypto/encoding.hpp"
#include "protocol/crypto/hash.hpp"
#include "protocol/crypto/initialise.hpp"
#include "protocol/crypto/keys.hpp"
#include "protocol/crypto/random.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;

namespace {

std::span<std::byte const> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> unhex(std::string_view text) {
  std::vector<std::byte> made(text.size() / 2);
  REQUIRE(crypto::from_hexadecimal(text, made));
  return made;
}

struct signature_vector {
  std::string_view seed, public_key, message, signature;
};

// RFC 8032, section 7.1, TEST 1 to 3.
constexpr signature_vector rfc_8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0595bbe24"
     "655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
     "eb4302aee"
     "b00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e"
     "9716ed28d"
     "c027beceea1ec40a"}};

} // namespace

TEST_CASE("libsodium starts, and starts again") {
  REQUIRE(crypto::initialise());
  REQUIRE(crypto::initialise());
}

TEST_CASE("signatures equal those of RFC 8032") {
  for (auto const& vector : rfc_8032) {
    auto const key = crypto::signing_key::from_seed(unhex(vector.seed));
    REQUIRE(key);
    REQUIRE(crypto::to_hexadecimal(key->public_key()) == vector.public_key);
    auto const signature = key->sign(unhex(vector.message));
    REQUIRE(crypto::to_hexadecimal(signature) == vector.signature);
    REQUIRE(crypto::verify(key->public_key(), unhex(vector.message), signature));
  }
}

TEST_CASE("a signature holds for its own bytes and key alone") {
  auto const key = crypto::signing_key::generate();
  auto signature = key.sign(bytes("bytes"));
  REQUIRE(crypto::verify(key.public_key(), bytes("bytes"), signature));
  REQUIRE_FALSE(crypto::verify(key.public_key(), bytes("Bytes"), signature));
  REQUIRE_FALSE(crypto::verify(crypto::signing_key::generate().public_key(), bytes("bytes"), signature));
  signature[10] ^= std::byte{1};
  REQUIRE_FALSE(crypto::verify(key.public_key(), bytes("bytes"), signature));
}

TEST_CASE("a key is made again from its seed") {
  auto const key = crypto::signing_key::generate();
  auto const again = crypto::signing_key::from_seed(key.seed().reveal());
  REQUIRE(again);
  REQUIRE(again->public_key() == key.public_key());
  REQUIRE(again->sign(bytes("x")) == key.sign(bytes("x")));
}

TEST_CASE("seeds and secrets of another length are refused") {
  REQUIRE_FALSE(crypto::signing_key::from_seed(bytes("short")));
  REQUIRE_FALSE(crypto::link_key::from_secret(bytes("short")));
}

TEST_CASE("hashes equal those of BLAKE2b-256") {
  // Python's hashlib.blake2b(digest_size=32), an implementation of RFC 7693 of its own.
  REQUIRE(crypto::to_hexadecimal(crypto::hash({})) ==
          "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  REQUIRE(crypto::to_hexadecimal(crypto::hash(bytes("abc"))) ==
          "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST_CASE("a keyed hash equals BLAKE2b's keyed mode and depends on its key") {
  std::vector<std::byte> key(32);
  for (std::size_t index = 0; index < key.size(); ++index) key[index] = static_cast<std::byte>(index);
  auto const digest = crypto::keyed_hash(key, bytes("abc"));
  REQUIRE(digest);
  REQUIRE(crypto::to_hexadecimal(*digest) ==
          "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
  key[0] = std::byte{99};
  REQUIRE(*crypto::keyed_hash(key, bytes("abc")) != *digest);
}

TEST_CASE("a keyed hash over parts is that over the whole") {
  auto const key = crypto::random_bytes(32);
  auto const whole = crypto::keyed_hash(key.reveal(), bytes("abcdef"));
  REQUIRE(*crypto::keyed_hash(key.reveal(), {bytes("ab"), bytes(""), bytes("cdef")}) == *whole);
}

TEST_CASE("hash keys of a wrong length are refused") {
  REQUIRE_FALSE(crypto::keyed_hash(bytes(std::string(15, 'k')), bytes("x")));
  REQUIRE(crypto::keyed_hash(bytes(std::string(16, 'k')), bytes("x")));
  REQUIRE(crypto::keyed_hash(bytes(std::string(64, 'k')), bytes("x")));
  REQUIRE_FALSE(crypto::keyed_hash(bytes(std::string(65, 'k')), bytes("x")));
}

TEST_CASE("a link key's public half equals that of RFC 7748") {
  // Section 6.1, Alice.
  auto const alice = crypto::link_key::from_secret(
      unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  REQUIRE(alice);
  REQUIRE(crypto::to_hexadecimal(alice->public_key) ==
          "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
}

TEST_CASE("generated link keys are whole and differ") {
  auto const first = crypto::link_key::generate();
  auto const second = crypto::link_key::generate();
  REQUIRE(first.public_key != second.public_key);
  auto const again = crypto::link_key::from_secret(first.secret.reveal());
  REQUIRE(again);
  REQUIRE(again->public_key == first.public_key);
}

TEST_CASE("random bytes differ each time") {
  auto const first = crypto::random_bytes(32);
  auto const second = crypto::random_bytes(32);
  REQUIRE(crypto::to_hexadecimal(first.reveal()) != crypto::to_hexadecimal(second.reveal()));
}

TEST_CASE("hexadecimal goes there and back, in either case") {
  REQUIRE(crypto::to_hexadecimal(bytes(std::string_view("\x00\xff\x0a", 3))) == "00ff0a");
  REQUIRE(crypto::to_hexadecimal({}).empty());
  std::array<std::byte, 2> made{};
  REQUIRE(crypto::from_hexadecimal("aBcD", made));
  REQUIRE(made == std::array{std::byte{0xab}, std::byte{0xcd}});
}

TEST_CASE("what is not hexadecimal of the right length is refused") {
  std::array<std::byte, 2> made{};
  for (std::string_view const text : {"", "abc", "abcdef", "abcg", "ab d"})
    REQUIRE_FALSE(crypto::from_hexadecimal(text, made));
}

TEST_CASE("no bytes are empty text, and back") {
  REQUIRE(crypto::to_base64url({}).empty());
  REQUIRE(crypto::to_z85({})->empty());
  REQUIRE(crypto::from_hexadecimal("", {}));
  REQUIRE(crypto::from_base64url("", {}));
  REQUIRE(crypto::from_z85("", {}));
  REQUIRE(crypto::random_bytes(0).empty());
}

TEST_CASE("base64url equals RFC 4648's, without padding") {
  REQUIRE(crypto::to_base64url(bytes("foobar")) == "Zm9vYmFy");
  REQUIRE(crypto::to_base64url(bytes("fooba")) == "Zm9vYmE");
  REQUIRE(crypto::to_base64url(bytes("\xfb\xff")) == "-_8");
  REQUIRE((crypto::secret_to_base64url(bytes("fooba")).reveal() == "Zm9vYmE"));
  std::array<std::byte, 5> made{};
  REQUIRE(crypto::from_base64url("Zm9vYmE", made));
  REQUIRE(std::memcmp(made.data(), "fooba", 5) == 0);
}

TEST_CASE("what is not base64url of the right length is refused") {
  std::array<std::byte, 5> made{};
  for (std::string_view const text : {"", "Zm9vYmE=", "Zm9vYmFy", "Zm9vYm", "Zm9vY E", "Zm9vY+E"})
    REQUIRE_FALSE(crypto::from_base64url(text, made));
}

TEST_CASE("Z85 equals ZeroMQ RFC 32's example and goes back") {
  auto const hello = unhex("864fd26fb559f75b");
  REQUIRE(*crypto::to_z85(hello) == "HelloWorld");
  REQUIRE((crypto::secret_to_z85(hello)->reveal() == "HelloWorld"));
  std::vector<std::byte> made(8);
  REQUIRE(crypto::from_z85("HelloWorld", made));
  REQUIRE(made == hello);
}

TEST_CASE("what is not Z85 is refused") {
  std::vector<std::byte> made(4);
  REQUIRE_FALSE(crypto::from_z85("Hell", made));
  REQUIRE_FALSE(crypto::from_z85("HelloWorld", made)); // another length
  REQUIRE_FALSE(crypto::from_z85("Hell\"", made));
  REQUIRE_FALSE(crypto::from_z85("#####", made)); // beyond 32 bits
  REQUIRE(crypto::from_z85("%nSc0", made));       // 2^32-1
  REQUIRE_FALSE(crypto::to_z85(bytes("abc")));
}
