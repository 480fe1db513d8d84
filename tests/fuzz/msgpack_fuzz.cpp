// Bytes from a link: an envelope with any payload, and each kind's own decoding. The first byte chooses. What
// is accepted must have one meaning: its encoding decodes again, to the same bytes.
#include "protocol/msgpack/envelope.hpp"

#include <cstdlib>
#include <cstring>

using namespace mayfly;

namespace {

template <class M>
void check_meaning(M const& value) {
  ephemeral_bytes first;
  ephemeral_bytes second;
  wire::encode(value, first);
  auto const again = wire::decode<M>(first.reveal());
  if (!again) std::abort();
  wire::encode(*again, second);
  if (first.size() != second.size()) std::abort();
  if (std::memcmp(first.reveal().data(), second.reveal().data(), first.size()) != 0) std::abort();
}

void open_frame(std::span<std::byte const> frame) {
  auto const opened = wire::open_envelope(frame);
  if (!opened) return;
  auto const retention = wire::retention_of(opened->header.kind);
  if (!retention) std::abort();
  bool const marked = (opened->header.flags & wire::flag_ephemeral) != 0;
  if (*retention == messages::retention_class::ephemeral && !marked) std::abort();
  (void)wire::visit_payload(*opened, [](auto&& message) { check_meaning(message); });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
  if (size == 0) return 0;
  auto const input = std::as_bytes(std::span(data, size));
  auto const choice = std::to_integer<std::uint16_t>(input[0]);
  if (choice == 0) {
    open_frame(input.subspan(1));
    return 0;
  }
  messages::catalogue::for_each([&]<class Entry>() {
    if (Entry::number != choice) return;
    auto const decoded = wire::decode<typename Entry::message_type>(input.subspan(1));
    if (decoded) check_meaning(*decoded);
  });
  return 0;
}
