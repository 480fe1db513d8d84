#pragma once
// What crosses a link: one MessagePack map {1: version, 2: kind, 3: flags, 4: lease, 5: correlation,
// 6: sender, 7: receiver, 8: time left in ms, 9: payload, 10: padding}, where the payload is binary and holds
// the message's own encoding, so that a frame can be judged before its content is touched. Frames with
// content end in 64 zero bytes of padding: libsodium's XSalsa20 works on a message's last partial block of 64
// bytes in a buffer on the stack of ZeroMQ's thread, which nobody wipes, so that block must hold nothing.
#include "protocol/messages/catalogue.hpp"
#include "protocol/msgpack/codec.hpp"

#include <array>

namespace mayfly::wire {

/// The major version of this format. Unknown kinds and fields are tolerated within it.
inline constexpr std::uint16_t envelope_version = 1;

/// Bits of `envelope_header::flags`; unknown ones are tolerated.
inline constexpr std::uint32_t flag_ephemeral = 1; ///< the payload is content

/// What the sender of an envelope chooses.
struct route {
  std::optional<request_id> lease; ///< under which content travels
  std::uint64_t correlation = 0;   ///< ties an answer to its question
  node_id sender;
  node_id receiver;
  std::chrono::milliseconds time_left{0}; ///< until the deadline, 0 is none: clocks differ between nodes
};

struct envelope_header {
  std::uint16_t version = 0;
  std::uint16_t kind = 0;
  std::uint32_t flags = 0;
  std::optional<request_id> lease;
  std::uint64_t correlation = 0;
  node_id sender;
  node_id receiver;
  std::chrono::milliseconds time_left{0};
  static constexpr auto fields =
      messages::field_list(messages::field{1, "version", &envelope_header::version},
                           messages::field{2, "kind", &envelope_header::kind},
                           messages::field{3, "flags", &envelope_header::flags},
                           messages::field{4, "lease", &envelope_header::lease},
                           messages::field{5, "correlation", &envelope_header::correlation},
                           messages::field{6, "sender", &envelope_header::sender},
                           messages::field{7, "receiver", &envelope_header::receiver},
                           messages::field{8, "time_left", &envelope_header::time_left});
};

/// A header, and the payload where it lies in the frame: the frame must outlive it and wipe itself.
struct envelope_view {
  envelope_header header;
  std::span<std::byte const> payload;
};

/// The class of a kind's number, or nothing for a number that the catalogue does not know.
std::optional<messages::retention_class> retention_of(std::uint16_t kind) noexcept;

/// Judges a frame without touching its payload. Errors: those of `reader`; version_mismatch (`number`: the
/// version); unsupported (an unknown kind, which callers may ignore; `number`: the kind); content_not_marked
/// (a kind that holds content came without the ephemeral flag; `number`: the kind).
result<envelope_view> open_envelope(std::span<std::byte const> frame, limits const& bounds = {});

namespace detail {
inline constexpr std::uint8_t payload_tag = 9;
inline constexpr std::uint8_t padding_tag = 10;
inline constexpr std::array<std::byte, 64> padding{};
envelope_header header_of(route const& way, std::uint16_t kind, messages::retention_class retention);
} // namespace detail

/// One frame with the message in it; kind and ephemeral flag come from the catalogue.
template <message M>
ephemeral_bytes encode_envelope(route const& way, M const& value) {
  using entry = messages::kind_of<M>;
  auto const header = detail::header_of(way, entry::number, entry::retention);
  ephemeral_bytes frame;
  frame.reserve(detail::content_bytes(value) + 2 * detail::usual_metadata_bytes);
  writer to(frame);
  constexpr bool padded = entry::retention == messages::retention_class::ephemeral;
  to.map(detail::entries_of(header) + (padded ? 2 : 1));
  detail::write_fields(to, header);
  to.unsigned_integer(detail::payload_tag);
  auto const start = to.begin_binary();
  detail::write_message(to, value);
  to.end_binary(start);
  if constexpr (padded) {
    to.unsigned_integer(detail::padding_tag);
    to.binary(detail::padding);
  }
  return frame;
}

/// The message in an opened envelope. Errors: unsupported (it holds another kind; `number`: which), and those
/// of `decode`.
template <message M>
result<M> payload_of(envelope_view const& view, limits const& bounds = {}) {
  if (view.header.kind != messages::kind_of<M>::number)
    return error{errc::unsupported, "an envelope of another kind", view.header.kind};
  return decode<M>(view.payload, bounds);
}

/// Decodes the payload as what its kind says and calls `visit(M&&)`, which must take every kind of the
/// catalogue. Errors: those of `decode`; unsupported for an unknown kind.
template <class Visitor>
result<void> visit_payload(envelope_view const& view, Visitor&& visit, limits const& bounds = {}) {
  result<void> outcome = error{errc::unsupported, "an unknown message kind", view.header.kind};
  messages::catalogue::for_each([&]<class Entry>() {
    if (Entry::number != view.header.kind) return;
    auto decoded = decode<typename Entry::message_type>(view.payload, bounds);
    outcome = decoded ? result<void>() : result<void>(decoded.failure());
    if (decoded) visit(std::move(*decoded));
  });
  return outcome;
}

} // namespace mayfly::wire
