#include "protocol/msgpack/envelope.hpp"

namespace mayfly::wire {

std::optional<messages::retention_class> retention_of(std::uint16_t kind) noexcept {
  std::optional<messages::retention_class> found;
  messages::catalogue::for_each([&]<class Entry>() {
    if (Entry::number == kind) found = Entry::retention;
  });
  return found;
}

namespace detail {

envelope_header header_of(route const& way, std::uint16_t kind, messages::retention_class retention) {
  envelope_header header;
  header.version = envelope_version;
  header.kind = kind;
  header.flags = retention == messages::retention_class::ephemeral ? flag_ephemeral : 0;
  header.lease = way.lease;
  header.correlation = way.correlation;
  header.sender = way.sender;
  header.receiver = way.receiver;
  header.time_left = way.time_left;
  return header;
}

namespace {

result<void> judge(envelope_header const& header) {
  auto const retention = retention_of(header.kind);
  if (!retention) return error{errc::unsupported, "an unknown message kind", header.kind};
  if (*retention == messages::retention_class::ephemeral && (header.flags & flag_ephemeral) == 0)
    return error{errc::content_not_marked, "content came without the ephemeral mark", header.kind};
  return {};
}

} // namespace
} // namespace detail

result<envelope_view> open_envelope(std::span<std::byte const> frame, limits const& bounds) {
  reader from(frame, bounds);
  envelope_view view;
  bool has_payload = false;
  map_cursor cursor(from);
  detail::read_fields(from, cursor, view.header);
  cursor.at(detail::payload_tag, [&] {
    view.payload = from.binary();
    has_payload = true;
  });
  cursor.finish();
  // Another version may mean other fields by these tags: it is told apart before anything else is held
  // against the frame.
  if (view.header.version > envelope_version)
    return error{errc::version_mismatch, "an envelope of another version", view.header.version};
  if (!from.fine()) return from.failure();
  if (view.header.version != envelope_version || !has_payload)
    return error{errc::malformed, "an envelope without version or payload", 0};
  auto judged = detail::judge(view.header);
  if (!judged) return judged.failure();
  return view;
}

} // namespace mayfly::wire
