#include "protocol/msgpack/writer.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <msgpack.hpp>
#include <stdexcept>

namespace mayfly::wire {
namespace {

/// A library stream over the buffer: it keeps nothing of what passes through.
struct sink {
  ephemeral_bytes& out;
  void write(char const* bytes, std::size_t count) { out.append(std::as_bytes(std::span(bytes, count))); }
};

class packer {
public:
  explicit packer(ephemeral_bytes& out) : sink_{out} {}
  ::msgpack::packer<sink>* operator->() { return &packer_; }

private:
  sink sink_;
  ::msgpack::packer<sink> packer_{sink_};
};

std::uint32_t length(std::size_t count) {
  if (count > std::numeric_limits<std::uint32_t>::max()) throw std::length_error("MessagePack length");
  return static_cast<std::uint32_t>(count);
}

// The longest header of a binary: its type and 32 bits of length.
constexpr std::size_t longest_header = 5;

struct header_sink {
  std::array<char, longest_header> bytes{};
  std::size_t size = 0;
  void write(char const* from, std::size_t count) {
    std::memcpy(bytes.data() + size, from, count);
    size += count;
  }
};

template <class Bits>
void write_real(ephemeral_bytes& out, unsigned char type, Bits bits) {
  std::array<std::byte, 1 + sizeof bits> bytes{std::byte{type}};
  for (std::size_t index = sizeof bits; index > 0; --index, bits >>= 8)
    bytes[index] = std::byte{static_cast<unsigned char>(bits & 0xff)};
  out.append(bytes);
}

} // namespace

void writer::map(std::size_t entries) { packer(out_)->pack_map(length(entries)); }
void writer::array(std::size_t elements) { packer(out_)->pack_array(length(elements)); }
void writer::unsigned_integer(std::uint64_t value) { packer(out_)->pack_uint64(value); }
void writer::signed_integer(std::int64_t value) { packer(out_)->pack_int64(value); }

// The library packs a real number without a fraction as an integer: a field would change its type with its
// value. So reals are written here: 0xca and 0xcb, then the IEEE bits, most significant byte first.
void writer::float32(float value) { write_real(out_, 0xca, std::bit_cast<std::uint32_t>(value)); }
void writer::float64(double value) { write_real(out_, 0xcb, std::bit_cast<std::uint64_t>(value)); }

void writer::boolean(bool value) {
  if (value)
    packer(out_)->pack_true();
  else
    packer(out_)->pack_false();
}

void writer::text(std::string_view value) {
  packer(out_)->pack_str(length(value.size()));
  out_.append(std::as_bytes(std::span(value)));
}

void writer::binary(std::span<std::byte const> value) {
  packer(out_)->pack_bin(length(value.size()));
  out_.append(value);
}

std::size_t writer::begin_binary() {
  auto const start = out_.size();
  out_.resize(start + longest_header);
  return start;
}

void writer::end_binary(std::size_t start) {
  auto const size = out_.size() - start - longest_header;
  header_sink header;
  ::msgpack::packer<header_sink>(header).pack_bin(length(size));
  auto* const place = out_.reveal().data() + start;
  if (header.size != longest_header) std::memmove(place + header.size, place + longest_header, size);
  std::memcpy(place, header.bytes.data(), header.size);
  out_.resize(start + header.size + size);
}

} // namespace mayfly::wire
