#include "protocol/msgpack/codec.hpp"

#include "tests/protocol/samples.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

using namespace mayfly;

namespace {

template <class M>
ephemeral_bytes encoding_of(M const& value) {
  ephemeral_bytes bytes;
  wire::encode(value, bytes);
  return bytes;
}

std::string hexadecimal(ephemeral_bytes const& bytes) {
  std::string text;
  for (auto byte : bytes.reveal()) {
    constexpr char digits[] = "0123456789abcdef";
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

} // namespace

TEST_CASE("every message kind survives the way over the wire, whatever its values") {
  std::size_t rounds = 0;
  messages::catalogue::for_each([&]<class Entry>() {
    using message = typename Entry::message_type;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      auto const sent = samples::make<message>(seed);
      auto const received = wire::decode<message>(encoding_of(sent).reveal());
      INFO("kind " << Entry::number << ", seed " << seed);
      REQUIRE(received);
      REQUIRE(samples::same(sent, *received));
      ++rounds;
    }
  });
  REQUIRE(rounds > 5000);
}

TEST_CASE("a message has one encoding") {
  messages::catalogue::for_each([&]<class Entry>() {
    using message = typename Entry::message_type;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto const first = encoding_of(samples::make<message>(seed));
      auto const decoded = wire::decode<message>(first.reveal());
      REQUIRE(decoded);
      REQUIRE(hexadecimal(encoding_of(*decoded)) == hexadecimal(first));
    }
  });
}

TEST_CASE("empty optionals, vectors, texts and names are left out, everything else stands") {
  // seed is empty; the zero max_tokens stays.
  REQUIRE(hexadecimal(encoding_of(messages::sampling{})) == "8b01ca3f80000002ca3f8000000300"
                                                            "04ca0000000005ca3f80000006ca00000000"
                                                            "07ca0000000009c20a000b000cc2");
  REQUIRE(hexadecimal(encoding_of(messages::chat_message{})) == "810101");
  REQUIRE(hexadecimal(encoding_of(messages::placement_request{})) == "840192000003000400"
                                                                     "0500");
}

TEST_CASE("numbers take their smallest form") {
  messages::heartbeat beat;
  auto const encoded = [&](std::uint64_t value) {
    beat.sequence = value;
    return hexadecimal(encoding_of(beat));
  };
  REQUIRE(encoded(127) == "81017f");
  REQUIRE(encoded(128) == "8101cc80");
  REQUIRE(encoded(256) == "8101cd0100");
  REQUIRE(encoded(65536) == "8101ce00010000");
  REQUIRE(encoded(std::uint64_t{1} << 32) == "8101cf0000000100000000");
  messages::exited_member member;
  member.at_unix_ms = -33;
  REQUIRE(hexadecimal(encoding_of(member)) == "82010002d0df");
}

TEST_CASE("the extremes of every integer survive") {
  messages::infer message;
  for (auto const value :
       {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()}) {
    message.priority = value;
    REQUIRE(wire::decode<messages::infer>(encoding_of(message).reveal())->priority == value);
  }
  messages::finished finished;
  for (auto const value :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    finished.wiped_at_unix_ms = value;
    finished.decode = std::chrono::microseconds(value);
    auto const received = wire::decode<messages::finished>(encoding_of(finished).reveal());
    REQUIRE(received->wiped_at_unix_ms == value);
    REQUIRE(received->decode.count() == value);
  }
}

TEST_CASE("reals keep their bits, infinities and not-a-number included") {
  for (auto const value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(),
                           -0.0F, std::numeric_limits<float>::denorm_min(), 1.0F, 16777216.0F}) {
    messages::sampling parameters;
    parameters.temperature = value;
    auto const received = wire::decode<messages::sampling>(encoding_of(parameters).reveal());
    REQUIRE(received);
    REQUIRE(samples::same(parameters, *received));
  }
}

TEST_CASE("token ids travel as little-endian words") {
  messages::infer message;
  message.prompt_tokens.push_back(0x01020304);
  message.prompt_tokens.push_back(-1);
  auto const encoded = hexadecimal(encoding_of(message));
  REQUIRE(encoded.find("0bc40804030201ffffffff") != std::string::npos);
}

TEST_CASE("fields that a message lacks keep their defaults") {
  std::byte const empty_map[] = {std::byte{0x80}};
  auto const received = wire::decode<messages::sampling>(empty_map);
  REQUIRE(received);
  REQUIRE(samples::same(*received, messages::sampling{}));
}

TEST_CASE("content of a megabyte arrives whole") {
  messages::output_chunk chunk;
  chunk.text.resize(std::size_t{1} << 20);
  chunk.text.characters().reveal().back() = 'z';
  auto const received = wire::decode<messages::output_chunk>(encoding_of(chunk).reveal());
  REQUIRE(received);
  REQUIRE(samples::same(chunk, *received));
}
