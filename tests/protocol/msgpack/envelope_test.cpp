#include "protocol/msgpack/envelope.hpp"

#include "tests/protocol/samples.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace mayfly;

namespace {

wire::route sample_route() {
  return {request_id{{3}, 4}, 77, node_id{5}, node_id{6}, std::chrono::milliseconds(1500)};
}

/// A frame with any header, as only a faulty peer would make it.
ephemeral_bytes frame_of(wire::envelope_header const& header) {
  ephemeral_bytes frame;
  wire::writer to(frame);
  to.map(wire::detail::entries_of(header) + 1);
  wire::detail::write_fields(to, header);
  to.unsigned_integer(wire::detail::payload_tag);
  to.binary(std::as_bytes(std::span("\x80", 1)));
  return frame;
}

errc code_of(wire::envelope_header const& header) {
  auto const opened = wire::open_envelope(frame_of(header).reveal());
  return opened ? errc::ok : opened.failure().code;
}

wire::envelope_header header_of_kind(std::uint16_t kind) {
  wire::envelope_header header;
  header.version = wire::envelope_version;
  header.kind = kind;
  return header;
}

} // namespace

TEST_CASE("an envelope carries its route and its message") {
  auto const sent = samples::make<messages::infer>(11);
  auto const frame = wire::encode_envelope(sample_route(), sent);
  auto const opened = wire::open_envelope(frame.reveal());
  REQUIRE(opened);
  REQUIRE(opened->header.lease == request_id{{3}, 4});
  REQUIRE(opened->header.correlation == 77);
  REQUIRE(opened->header.sender == node_id{5});
  REQUIRE(opened->header.receiver == node_id{6});
  REQUIRE(opened->header.time_left == std::chrono::milliseconds(1500));
  auto const received = wire::payload_of<messages::infer>(*opened);
  REQUIRE(received);
  REQUIRE(samples::same(sent, *received));
}

TEST_CASE("payloads of every length of header arrive") {
  for (std::size_t const size : {0U, 1U, 200U, 255U, 256U, 300U, 65'000U, 65'535U, 65'536U, 70'000U}) {
    messages::output_chunk sent;
    sent.text.resize(size);
    auto const frame = wire::encode_envelope({}, sent);
    auto const opened = wire::open_envelope(frame.reveal());
    REQUIRE(opened);
    REQUIRE(wire::payload_of<messages::output_chunk>(*opened)->text.size() == size);
  }
}

TEST_CASE("the payload is a view into the frame") {
  auto const frame = wire::encode_envelope({}, samples::make<messages::output_chunk>(2));
  auto const opened = wire::open_envelope(frame.reveal());
  REQUIRE(opened);
  auto const whole = frame.reveal();
  REQUIRE(opened->payload.data() > whole.data());
  REQUIRE(opened->payload.data() + opened->payload.size() < whole.data() + whole.size());
}

TEST_CASE("a frame with content ends in a whole cipher block of zeros, one without does not") {
  auto const content = wire::encode_envelope({}, samples::make<messages::output_chunk>(2));
  auto const tail = content.reveal().last(64);
  REQUIRE(std::ranges::all_of(tail, [](std::byte octet) { return octet == std::byte{0}; }));
  auto const metadata = wire::encode_envelope({}, samples::make<messages::finished>(2));
  auto const opened = wire::open_envelope(metadata.reveal());
  REQUIRE(opened);
  auto const whole = metadata.reveal();
  REQUIRE(opened->payload.data() + opened->payload.size() == whole.data() + whole.size());
}

TEST_CASE("kind and ephemeral mark come from the catalogue, for every kind") {
  messages::catalogue::for_each([&]<class Entry>() {
    auto const frame = wire::encode_envelope(sample_route(), samples::make<typename Entry::message_type>(5));
    auto const opened = wire::open_envelope(frame.reveal());
    REQUIRE(opened);
    REQUIRE(opened->header.kind == Entry::number);
    bool const marked = (opened->header.flags & wire::flag_ephemeral) != 0;
    REQUIRE(marked == (Entry::retention == messages::retention_class::ephemeral));
  });
}

TEST_CASE("a content kind without the ephemeral mark is refused, for every content kind") {
  int content_kinds = 0;
  messages::catalogue::for_each([&]<class Entry>() {
    auto header = header_of_kind(Entry::number);
    bool const content = Entry::retention == messages::retention_class::ephemeral;
    content_kinds += content;
    REQUIRE(code_of(header) == (content ? errc::content_not_marked : errc::ok));
    header.flags = wire::flag_ephemeral;
    REQUIRE(code_of(header) == errc::ok);
    header.flags = ~wire::flag_ephemeral; // every other bit
    REQUIRE(code_of(header) == (content ? errc::content_not_marked : errc::ok));
  });
  REQUIRE(content_kinds == 5);
}

TEST_CASE("an unknown kind is told apart, so that a receiver may ignore it") {
  auto const opened = wire::open_envelope(frame_of(header_of_kind(999)).reveal());
  REQUIRE_FALSE(opened);
  REQUIRE(opened.failure().code == errc::unsupported);
  REQUIRE(opened.failure().number == 999);
}

TEST_CASE("another version is a version mismatch, whatever else the frame says") {
  auto header = header_of_kind(messages::kind_of<messages::heartbeat>::number);
  header.version = 2;
  REQUIRE(code_of(header) == errc::version_mismatch);
  header.kind = 999;
  REQUIRE(code_of(header) == errc::version_mismatch);
  // {1: 2, 2: "text"}: tag 2 may mean something else in version 2.
  auto const opened = wire::open_envelope(std::as_bytes(std::span("\x82\x01\x02\x02\xa1x", 6)));
  REQUIRE_FALSE(opened);
  REQUIRE(opened.failure().code == errc::version_mismatch);
}

TEST_CASE("an envelope without version or payload is malformed") {
  auto header = header_of_kind(messages::kind_of<messages::heartbeat>::number);
  header.version = 0;
  REQUIRE(code_of(header) == errc::malformed);
  auto const opened = wire::open_envelope(std::as_bytes(std::span("\x82\x01\x01\x02\x02", 5)));
  REQUIRE_FALSE(opened);
  REQUIRE(opened.failure().code == errc::malformed);
}

TEST_CASE("fields that a later minor version adds to the envelope are passed over") {
  // {1: 1, 2: 2, 9: payload {1: 7}, 10: [nil]}
  auto const opened = wire::open_envelope(
      std::as_bytes(std::span("\x84\x01\x01\x02\x02\x09\xc4\x03\x81\x01\x07\x0a\x91\xc0", 14)));
  REQUIRE(opened);
  REQUIRE(wire::payload_of<messages::heartbeat>(*opened)->sequence == 7);
}

TEST_CASE("an envelope does not open as another kind") {
  auto const frame = wire::encode_envelope({}, messages::heartbeat{9});
  auto const opened = wire::open_envelope(frame.reveal());
  REQUIRE(opened);
  auto const wrong = wire::payload_of<messages::credit>(*opened);
  REQUIRE_FALSE(wrong);
  REQUIRE(wrong.failure().code == errc::unsupported);
}

TEST_CASE("a visitor gets the payload as the type that its kind names") {
  auto const frame = wire::encode_envelope({}, messages::heartbeat{9});
  auto const opened = wire::open_envelope(frame.reveal());
  REQUIRE(opened);
  std::uint64_t seen = 0;
  auto const visited = wire::visit_payload(*opened, [&]<class M>(M&& received) {
    if constexpr (std::same_as<std::remove_cvref_t<M>, messages::heartbeat>) seen = received.sequence;
  });
  REQUIRE(visited);
  REQUIRE(seen == 9);
}

TEST_CASE("a visitor is not called for a payload that does not decode") {
  wire::envelope_view view;
  view.header = header_of_kind(messages::kind_of<messages::heartbeat>::number);
  view.payload = std::as_bytes(std::span("\xc0", 1));
  bool called = false;
  auto const visited = wire::visit_payload(view, [&](auto&&) { called = true; });
  REQUIRE_FALSE(visited);
  REQUIRE(visited.failure().code == errc::malformed);
  REQUIRE_FALSE(called);
}
