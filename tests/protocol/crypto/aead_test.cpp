#include "protocol/crypto/aead.hpp"
#include "protocol/crypto/encoding.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace mayfly;

namespace {

std::vector<std::byte> unhex(std::string_view text) {
  std::vector<std::byte> made(text.size() / 2);
  REQUIRE(crypto::from_hexadecimal(text, made));
  return made;
}

std::span<std::byte const> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

ephemeral_bytes key_of(unsigned char each) {
  ephemeral_bytes made;
  made.resize(crypto::cipher_key_bytes);
  std::ranges::fill(made.reveal(), std::byte{each});
  return made;
}

std::vector<std::byte> sealed_by(crypto::frame_sealer& sealer, std::string_view text) {
  std::vector<std::byte> made(text.size() + crypto::seal_bytes);
  sealer.seal(bytes("head"), bytes(text), made);
  return made;
}

} // namespace

TEST_CASE("sealing equals RFC 8439, section 2.8.2") {
  auto const key = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  crypto::nonce once{};
  std::ranges::copy(unhex("070000004041424344454647"), once.begin());
  auto const associated = unhex("50515253c0c1c2c3c4c5c6c7");
  std::string_view const text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
      "the future, sunscreen would be it.";
  auto const expected = unhex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
                              "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
                              "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                              "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691");
  std::vector<std::byte> sealed(text.size() + crypto::seal_bytes);
  crypto::seal(key, once, associated, bytes(text), sealed);
  CHECK(sealed == expected);
  auto const opened = crypto::open(key, once, associated, sealed);
  REQUIRE(opened);
  CHECK(std::ranges::equal(*opened, bytes(text)));
}

TEST_CASE("what is changed anywhere does not open") {
  std::string_view const text = "a hidden state";
  crypto::nonce once{};
  auto const key = key_of(7);
  std::vector<std::byte> sealed(text.size() + crypto::seal_bytes);
  crypto::seal(key.reveal(), once, bytes("head"), bytes(text), sealed);
  for (std::size_t place = 0; place < sealed.size(); ++place) {
    auto changed = sealed;
    changed[place] ^= std::byte{1};
    CHECK_FALSE(crypto::open(key.reveal(), once, bytes("head"), changed));
  }
  auto const again = [&] { return sealed; };
  auto copy = again();
  CHECK_FALSE(crypto::open(key.reveal(), once, bytes("Head"), copy));
  CHECK_FALSE(crypto::open(key_of(8).reveal(), once, bytes("head"), copy = again()));
  once[0] = std::byte{1};
  CHECK_FALSE(crypto::open(key.reveal(), once, bytes("head"), copy = again()));
  CHECK_FALSE(crypto::open(key.reveal(), once, bytes("head"), std::span(copy).first(15)));
  once[0] = std::byte{0};
  CHECK(crypto::open(key.reveal(), once, bytes("head"), copy = again()));
}

TEST_CASE("frames open in their order alone, and each once") {
  crypto::frame_sealer sealer(key_of(1));
  crypto::frame_opener opener(key_of(1));
  auto first = sealed_by(sealer, "one");
  auto second = sealed_by(sealer, "one");
  CHECK(first != second);
  auto early = second;
  crypto::frame_opener hasty(key_of(1));
  CHECK_FALSE(hasty.open(bytes("head"), early));
  auto repeated = first;
  REQUIRE(opener.open(bytes("head"), first));
  CHECK_FALSE(opener.open(bytes("head"), repeated));
}

TEST_CASE("derived keys differ in every part, and in where parts end") {
  auto const key = key_of(3);
  auto const derived = [&](std::initializer_list<std::span<std::byte const>> parts) {
    auto const made = crypto::derive_key(key.reveal(), parts);
    REQUIRE(made);
    REQUIRE(made->size() == crypto::cipher_key_bytes);
    return crypto::to_hexadecimal(made->reveal());
  };
  auto const one = derived({bytes("ab"), bytes("c")});
  CHECK(one == derived({bytes("ab"), bytes("c")}));
  CHECK(one != derived({bytes("a"), bytes("bc")}));
  CHECK(one != derived({bytes("ab"), bytes("d")}));
  CHECK(one != derived({bytes("abc")}));
  CHECK_FALSE(crypto::derive_key(key.reveal().first(15), {bytes("ab")}));
}
