// What an enemy, or a peer gone mad, may send.
#include "protocol/msgpack/envelope.hpp"
#include "tests/protocol/samples.hpp"

#include <catch2/catch.hpp>

using namespace mayfly;

namespace {

template <class M>
ephemeral_bytes encoding_of(M const& value) {
  ephemeral_bytes bytes;
  wire::encode(value, bytes);
  return bytes;
}

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> made;
  for (auto const value : values) made.push_back(static_cast<std::byte>(value));
  return made;
}

template <class M>
errc code_of(std::vector<std::byte> const& input, wire::limits const& bounds = {}) {
  auto const decoded = wire::decode<M>(input, bounds);
  return decoded ? errc::ok : decoded.failure().code;
}

std::size_t reserved() { return locked_memory_usage().reserved_bytes; }

} // namespace

TEST_CASE("a message of any kind that ends early is refused, wherever it ends") {
  messages::catalogue::for_each([&]<class Entry>() {
    auto const whole = encoding_of(samples::make<typename Entry::message_type>(7));
    auto const step = 1 + whole.size() / 2000; // a large one is cut at 2,000 places
    for (std::size_t size = 0; size < whole.size(); size += step) {
      auto const decoded = wire::decode<typename Entry::message_type>(whole.reveal().first(size));
      INFO("kind " << Entry::number << " cut after " << size);
      REQUIRE_FALSE(decoded);
      REQUIRE(decoded.failure().code == errc::truncated);
    }
  });
}

TEST_CASE("bytes behind a message are refused") {
  auto whole = encoding_of(samples::make<messages::credit>(1));
  whole.push_back(std::byte{0});
  auto const decoded = wire::decode<messages::credit>(whole.reveal());
  REQUIRE_FALSE(decoded);
  REQUIRE(decoded.failure().code == errc::malformed);
}

TEST_CASE("a field of a type that is none of its own is refused, for every field of every kind") {
  std::size_t fields = 0;
  messages::catalogue::for_each([&]<class Entry>() {
    typename Entry::message_type blank;
    messages::for_each_field(blank, [&](auto const& field, auto const&) {
      // nil, an extension and -1 as a map's only value are of no field's type, but -1 is an integer.
      REQUIRE(code_of<typename Entry::message_type>(bytes({0x81, field.tag, 0xc0})) == errc::malformed);
      REQUIRE(code_of<typename Entry::message_type>(bytes({0x81, field.tag, 0xd4, 1, 1})) == errc::malformed);
      ++fields;
    });
  });
  REQUIRE(fields > 100);
}

TEST_CASE("what is no map is no message") {
  REQUIRE(code_of<messages::credit>({}) == errc::truncated);
  REQUIRE(code_of<messages::credit>(bytes({0xc0})) == errc::malformed);
  REQUIRE(code_of<messages::credit>(bytes({0x90})) == errc::malformed);
  REQUIRE(code_of<messages::credit>(bytes({0xc1})) == errc::malformed); // never used by MessagePack
}

TEST_CASE("a tag twice, tags out of order and tags that are no positive integers are refused") {
  REQUIRE(code_of<messages::heartbeat>(bytes({0x82, 1, 5, 1, 6})) == errc::malformed);
  REQUIRE(code_of<messages::credit>(bytes({0x82, 3, 5, 2, 6})) == errc::malformed);
  REQUIRE(code_of<messages::heartbeat>(bytes({0x82, 100, 5, 100, 6})) == errc::malformed);
  REQUIRE(code_of<messages::heartbeat>(bytes({0x81, 0, 5})) == errc::malformed);
  REQUIRE(code_of<messages::heartbeat>(bytes({0x81, 0xff, 5})) == errc::malformed);
  REQUIRE(code_of<messages::heartbeat>(bytes({0x81, 0xa1, 'a', 5})) == errc::malformed);
}

TEST_CASE("unknown tags are passed over with all that is in them") {
  auto const input =
      bytes({0x83, 1, 42, 0x40, 0x92, 0x81, 0xa1, 'k', 0x90, 0xc4, 1, 9, 0xcd, 1, 0, 0xd4, 1, 1});
  auto const decoded = wire::decode<messages::heartbeat>(input);
  REQUIRE(decoded);
  REQUIRE(decoded->sequence == 42);
}

TEST_CASE("numbers beyond a field's range are refused") {
  REQUIRE(code_of<messages::hello>(bytes({0x81, 1, 0xce, 0, 1, 0, 0})) ==
          errc::malformed);                                                     // 65536 in 16 bits
  REQUIRE(code_of<messages::hello>(bytes({0x81, 1, 0xff})) == errc::malformed); // -1, unsigned
  REQUIRE(code_of<messages::infer>(bytes({0x81, 5, 0xce, 0x80, 0, 0, 0})) == errc::malformed);
  REQUIRE(code_of<messages::infer>(bytes({0x81, 5, 0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff})) ==
          errc::malformed);
  REQUIRE(code_of<messages::exited_member>(bytes({0x81, 2, 0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0})) ==
          errc::malformed);
  REQUIRE(code_of<messages::sampling>(bytes({0x81, 9, 1})) == errc::malformed); // 1 is not true
}

TEST_CASE("enumerators that nobody knows are refused") {
  REQUIRE(code_of<messages::finished>(bytes({0x81, 3, 4})) == errc::ok);
  REQUIRE(code_of<messages::finished>(bytes({0x81, 3, 5})) == errc::malformed);
  REQUIRE(code_of<messages::lease_opening>(bytes({0x81, 4, 0xcd, 1, 0})) == errc::malformed);
}

TEST_CASE("names that are no names are refused") {
  REQUIRE(code_of<messages::placement_request>(bytes({0x81, 2, 0xa3, 'a', '.', 'b'})) == errc::ok);
  REQUIRE(code_of<messages::placement_request>(bytes({0x81, 2, 0xa3, 'a', ' ', 'b'})) == errc::malformed);
  REQUIRE(code_of<messages::placement_request>(bytes({0x81, 2, 0xa2, 0xc3, 0xa4})) == errc::malformed);
  auto long_name = bytes({0x81, 2, 0xd9, 129});
  long_name.resize(long_name.size() + 129, std::byte{'a'});
  REQUIRE(code_of<messages::placement_request>(long_name) == errc::malformed);
}

TEST_CASE("keys, ids and words of another length are refused") {
  REQUIRE(code_of<messages::member>(bytes({0x81, 4, 0xc4, 3, 1, 2, 3})) == errc::malformed);
  REQUIRE(code_of<messages::cancel>(bytes({0x81, 1, 0x93, 1, 2, 3})) == errc::malformed);
  REQUIRE(code_of<messages::cancel>(bytes({0x81, 1, 0x91, 1})) == errc::malformed);
  REQUIRE(code_of<messages::infer>(bytes({0x81, 11, 0xc4, 3, 1, 2, 3})) == errc::malformed);
  REQUIRE(code_of<messages::infer>(bytes({0x81, 13, 0xc4, 4, 1, 2, 3, 4})) == errc::malformed);
}

TEST_CASE("nesting is bounded, in fields that are known and in those that are not") {
  std::vector<std::byte> deep = bytes({0x81, 0x64});
  deep.resize(deep.size() + 100'000, std::byte{0x91});
  deep.push_back(std::byte{0xc0});
  REQUIRE(code_of<messages::heartbeat>(deep) == errc::too_large);
}

TEST_CASE("lengths that the input does not keep are refused without memory for them") {
  auto const before = reserved();
  for (int repeat = 0; repeat < 50; ++repeat) {
    REQUIRE_FALSE(wire::decode<messages::announcement>(bytes({0x81, 2, 0xdd, 0xff, 0xff, 0xff, 0xff})));
    REQUIRE_FALSE(wire::decode<messages::announcement>(bytes({0x81, 2, 0xdd, 0, 1, 0, 0})));
    REQUIRE_FALSE(wire::decode<messages::announcement>(bytes({0xdf, 0xff, 0xff, 0xff, 0xff, 1})));
    REQUIRE_FALSE(wire::decode<messages::infer>(bytes({0x81, 10, 0xc6, 0xff, 0xff, 0xff, 0xff, 'x'})));
    REQUIRE_FALSE(wire::decode<messages::infer>(bytes({0x81, 10, 0xdb, 0xff, 0xff, 0xff, 0xff, 'x'})));
    REQUIRE_FALSE(wire::decode<messages::infer>(bytes({0x81, 10, 0xc9, 0xff, 0xff, 0xff, 0xff, 1, 'x'})));
  }
  REQUIRE(reserved() <= before + (std::size_t{4} << 20)); // one chunk of the pool at most
}

TEST_CASE("bytes and values are bounded") {
  wire::limits bounds;
  bounds.max_bytes = 4;
  REQUIRE(code_of<messages::heartbeat>(bytes({0x81, 1, 0xcc, 200}), bounds) == errc::ok);
  REQUIRE(code_of<messages::heartbeat>(bytes({0x81, 1, 0xcd, 1, 0}), bounds) == errc::too_large);
  bounds = {};
  bounds.max_values = 3;
  REQUIRE(code_of<messages::heartbeat>(bytes({0x81, 1, 5}), bounds) == errc::ok);
  REQUIRE(code_of<messages::heartbeat>(bytes({0x82, 1, 5, 2, 5}), bounds) == errc::too_large);
  REQUIRE(code_of<messages::placement_request>(bytes({0x81, 6, 0x94, 1, 2, 3, 4}), bounds) ==
          errc::too_large);
}

TEST_CASE("a length beyond the bound is too large, whether or not the bytes are there") {
  REQUIRE(code_of<messages::announcement>(bytes({0x81, 2, 0xdd, 0xff, 0xff, 0xff, 0xff})) == errc::too_large);
  REQUIRE(code_of<messages::announcement>(bytes({0xdf, 0xff, 0xff, 0xff, 0xff})) == errc::too_large);
}

TEST_CASE("messages with bytes changed at random are refused or mean one thing") {
  samples::dice from(2026);
  std::size_t accepted = 0;
  messages::catalogue::for_each([&]<class Entry>() {
    using message = typename Entry::message_type;
    for (int round = 0; round < 300; ++round) {
      auto changed = encoding_of(samples::make<message>(from.below(30)));
      for (auto changes = 1 + from.below(4); changes > 0; --changes)
        changed.reveal()[from.below(changed.size())] = static_cast<std::byte>(from.bits() & 0xff);
      auto const decoded = wire::decode<message>(changed.reveal());
      if (!decoded) continue;
      auto const again = wire::decode<message>(encoding_of(*decoded).reveal());
      REQUIRE(again);
      REQUIRE(samples::same(*decoded, *again));
      ++accepted;
    }
  });
  REQUIRE(accepted > 0);
}

TEST_CASE("an envelope that ends early is refused, wherever it ends") {
  auto const frame = wire::encode_envelope({}, samples::make<messages::worker_report>(3));
  for (std::size_t size = 0; size < frame.size(); ++size) {
    auto const opened = wire::open_envelope(frame.reveal().first(size));
    REQUIRE_FALSE(opened);
    REQUIRE(opened.failure().code == errc::truncated);
  }
}
