#include "protocol/crypto/receipt_signature.hpp"

#include "protocol/msgpack/codec.hpp"
#include "tests/protocol/samples.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;

namespace {

std::vector<messages::signed_receipt> chain_of(crypto::signing_key const& key, std::size_t length) {
  std::vector<messages::signed_receipt> chain;
  messages::bytes32 previous{};
  for (std::size_t index = 0; index < length; ++index) {
    auto body = samples::make<messages::receipt>(index);
    body.counter = index + 1;
    body.previous = previous;
    chain.push_back(crypto::sign(body, key));
    previous = crypto::chain_hash(chain.back());
  }
  return chain;
}

/// Signs the changed body anew: only the chain can tell.
void sign_again(messages::signed_receipt& receipt, crypto::signing_key const& key) {
  receipt = crypto::sign(receipt.body, key);
}

std::int64_t broken_at(std::span<messages::signed_receipt const> chain) {
  auto const verified = crypto::verify_chain(chain);
  if (verified) return -1;
  REQUIRE(verified.failure().code == errc::untrusted);
  return verified.failure().number;
}

} // namespace

TEST_CASE("a signed receipt names its signer and holds") {
  auto const key = crypto::signing_key::generate();
  auto const receipt = crypto::sign(samples::make<messages::receipt>(1), key);
  REQUIRE(receipt.body.signer == key.public_key());
  REQUIRE(crypto::verify(receipt));
}

TEST_CASE("a receipt that came over the wire still holds") {
  auto const receipt = crypto::sign(samples::make<messages::receipt>(3), crypto::signing_key::generate());
  ephemeral_bytes encoded;
  wire::encode(receipt, encoded);
  auto const received = wire::decode<messages::signed_receipt>(encoded.reveal());
  REQUIRE(received);
  REQUIRE(crypto::verify(*received));
  REQUIRE(crypto::chain_hash(*received) == crypto::chain_hash(receipt));
}

TEST_CASE("a receipt with any field changed does not hold") {
  auto const key = crypto::signing_key::generate();
  auto body = samples::make<messages::receipt>(4);
  body.holders.resize(2);
  auto const original = crypto::sign(body, key);
  std::size_t fields = 0;
  messages::for_each_field(original.body, [&](auto const& field, auto const&) {
    auto changed = original;
    samples::dice from(field.tag);
    while (samples::same(changed.body.*field.member, original.body.*field.member))
      samples::fill(changed.body.*field.member, from);
    INFO("field " << std::string(field.name.view()));
    REQUIRE_FALSE(crypto::verify(changed));
    ++fields;
  });
  REQUIRE(fields == messages::field_count<messages::receipt>);
}

TEST_CASE("a receipt under another's signature does not hold") {
  auto const body = samples::make<messages::receipt>(5);
  auto receipt = crypto::sign(body, crypto::signing_key::generate());
  receipt.signature = crypto::sign(body, crypto::signing_key::generate()).signature;
  auto const verified = crypto::verify(receipt);
  REQUIRE_FALSE(verified);
  REQUIRE(verified.failure().code == errc::untrusted);
}

TEST_CASE("a whole chain holds, and any run of it") {
  auto const chain = chain_of(crypto::signing_key::generate(), 5);
  REQUIRE(broken_at(chain) == -1);
  REQUIRE(broken_at(std::span(chain).subspan(2)) == -1);
  REQUIRE(broken_at({}) == -1);
}

TEST_CASE("a chain with a receipt missing, doubled or out of order does not hold") {
  auto const chain = chain_of(crypto::signing_key::generate(), 4);
  REQUIRE(broken_at(std::vector{chain[0], chain[2]}) == 1);
  REQUIRE(broken_at(std::vector{chain[0], chain[0]}) == 1);
  REQUIRE(broken_at(std::vector{chain[1], chain[0]}) == 1);
}

TEST_CASE("a chain whose past was rewritten and signed anew does not hold") {
  auto const key = crypto::signing_key::generate();
  auto chain = chain_of(key, 4);
  chain[1].body.confirmed = !chain[1].body.confirmed;
  sign_again(chain[1], key);
  REQUIRE(broken_at(chain) == 2);
}

TEST_CASE("a chain whose counter jumps does not hold, though its hashes do") {
  auto const key = crypto::signing_key::generate();
  auto chain = chain_of(key, 2);
  chain[1].body.counter = 3;
  sign_again(chain[1], key);
  REQUIRE(broken_at(chain) == 1);
}

TEST_CASE("a chain with a receipt that is not signed does not hold") {
  auto chain = chain_of(crypto::signing_key::generate(), 3);
  chain[2].signature[0] ^= std::byte{1};
  REQUIRE(broken_at(chain) == 2);
}

TEST_CASE("a chain has one signer") {
  auto chain = chain_of(crypto::signing_key::generate(), 3);
  sign_again(chain[2], crypto::signing_key::generate());
  REQUIRE(broken_at(chain) == 2);
}

TEST_CASE("a chain starts with counter 1 after zeros") {
  auto const key = crypto::signing_key::generate();
  auto chain = chain_of(key, 1);
  chain[0].body.previous[0] = std::byte{1};
  sign_again(chain[0], key);
  REQUIRE(broken_at(chain) == 0);
  chain[0].body.counter = 0;
  sign_again(chain[0], key);
  REQUIRE(broken_at(chain) == 0);
}
