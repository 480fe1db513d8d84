#include "protocol/msgpack/reader.hpp"

#include <bit>
#include <limits>
#include <msgpack.hpp>
#include <new>

namespace mayfly::wire {

/// The library calls this for each value. It returns false, which ends parsing, at the first bound reached.
struct tape_visitor : ::msgpack::null_visitor {
  using type = reader::type;
  tape_visitor(reader& to, limits const& limit) : target(to), bounds(limit) {}

  reader& target;
  limits const& bounds;
  std::uint32_t depth = 0;

  bool put(type kind, std::uint64_t bits, std::uint32_t size = 0) {
    if (target.tape_.size() >= bounds.max_values)
      return refuse({errc::too_large, "more values than allowed", bounds.max_values});
    target.tape_.push_back({bits, size, kind});
    return true;
  }
  bool put_bytes(type kind, char const* bytes, std::uint32_t size) {
    auto const* start = reinterpret_cast<char const*>(target.input_.data());
    return put(kind, size == 0 ? 0 : static_cast<std::uint64_t>(bytes - start), size);
  }
  bool open(type kind, std::uint32_t size) {
    if (++depth > bounds.max_depth)
      return refuse({errc::too_large, "nested deeper than allowed", bounds.max_depth});
    if (size > bounds.max_values)
      return refuse({errc::too_large, "more values than allowed", bounds.max_values});
    return put(kind, 0, size);
  }
  bool close() {
    --depth;
    return true;
  }
  bool refuse(error problem) {
    if (target.fine()) target.failure_ = problem;
    return false;
  }

  bool visit_nil() { return put(type::nil, 0); }
  bool visit_boolean(bool value) { return put(type::boolean, value ? 1 : 0); }
  bool visit_positive_integer(std::uint64_t value) { return put(type::natural, value); }
  bool visit_negative_integer(std::int64_t value) {
    return put(type::negative, std::bit_cast<std::uint64_t>(value));
  }
  bool visit_float32(float value) { return put(type::float32, std::bit_cast<std::uint32_t>(value)); }
  bool visit_float64(double value) { return put(type::float64, std::bit_cast<std::uint64_t>(value)); }
  bool visit_str(char const* bytes, std::uint32_t size) { return put_bytes(type::text, bytes, size); }
  bool visit_bin(char const* bytes, std::uint32_t size) { return put_bytes(type::binary, bytes, size); }
  bool visit_ext(char const* bytes, std::uint32_t size) { return put_bytes(type::extension, bytes, size); }
  bool start_array(std::uint32_t size) { return open(type::array, size); }
  bool start_map(std::uint32_t size) { return open(type::map, size); }
  bool end_array() { return close(); }
  bool end_map() { return close(); }
  void parse_error(std::size_t, std::size_t at) {
    refuse({errc::malformed, "not MessagePack", static_cast<std::int64_t>(at)});
  }
  void insufficient_bytes(std::size_t, std::size_t at) {
    refuse({errc::truncated, "MessagePack ends too early", static_cast<std::int64_t>(at)});
  }
};

reader::reader(std::span<std::byte const> input, limits const& bounds) : input_(input) {
  if (input.size() > bounds.max_bytes || input.size() > std::numeric_limits<std::uint32_t>::max()) {
    failure_ = {errc::too_large, "more bytes than allowed", static_cast<std::int64_t>(bounds.max_bytes)};
    return;
  }
  try {
    tape_.reserve(std::min<std::size_t>(input.size(), 64));
    tape_visitor visitor(*this, bounds);
    std::size_t end = 0;
    ::msgpack::parse(reinterpret_cast<char const*>(input.data()), input.size(), end, visitor);
    if (fine() && end != input.size())
      failure_ = {errc::malformed, "bytes behind the end", static_cast<std::int64_t>(end)};
  } catch (std::bad_alloc const&) {
    failure_ = {errc::out_of_memory, "no memory to read a message", 0};
  }
}

void reader::fail(errc code, literal what) {
  if (fine()) failure_ = {code, what, next_ == 0 ? 0 : static_cast<std::int64_t>(next_ - 1)};
}

reader::value reader::take(type expected) {
  if (fine() && next_ < tape_.size()) {
    auto const taken = tape_.reveal()[next_++];
    if (taken.kind == expected) return taken;
  }
  fail(errc::malformed, "a value of another type than expected");
  return {0, 0, expected};
}

std::span<std::byte const> reader::bytes_of(value const& taken) const {
  return input_.subspan(taken.bits, taken.size);
}

std::uint32_t reader::map() { return take(type::map).size; }
std::uint32_t reader::array() { return take(type::array).size; }
bool reader::boolean() { return take(type::boolean).bits != 0; }
float reader::float32() { return std::bit_cast<float>(static_cast<std::uint32_t>(take(type::float32).bits)); }
double reader::float64() { return std::bit_cast<double>(take(type::float64).bits); }
std::span<std::byte const> reader::binary() { return bytes_of(take(type::binary)); }

std::string_view reader::text() {
  auto const bytes = bytes_of(take(type::text));
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::uint64_t reader::unsigned_integer(std::uint64_t largest) {
  auto const number = take(type::natural).bits;
  if (number <= largest) return number;
  fail(errc::malformed, "a number out of range");
  return 0;
}

std::int64_t reader::signed_integer(std::int64_t smallest, std::int64_t largest) {
  if (fine() && next_ < tape_.size() && tape_.reveal()[next_].kind == type::negative) {
    auto const number = std::bit_cast<std::int64_t>(tape_.reveal()[next_++].bits);
    if (number >= smallest && number <= largest) return number;
    fail(errc::malformed, "a number out of range");
    return 0;
  }
  auto const number = static_cast<std::int64_t>(unsigned_integer(static_cast<std::uint64_t>(largest)));
  if (number < smallest) fail(errc::malformed, "a number out of range");
  return fine() ? number : 0;
}

void reader::skip() {
  std::size_t pending = 1;
  while (fine() && pending != 0) {
    if (next_ >= tape_.size()) return fail(errc::malformed, "a value is missing");
    auto const& passed = tape_.reveal()[next_++];
    --pending;
    if (passed.kind == type::array) pending += passed.size;
    if (passed.kind == type::map) pending += std::size_t{2} * passed.size;
  }
}

void map_cursor::pass_over(std::uint64_t below) {
  while (live_ && tag_ < below) {
    reader_.skip();
    advance();
  }
}

void map_cursor::advance() {
  live_ = remaining_ != 0 && reader_.fine();
  if (!live_) return;
  --remaining_;
  auto const next = reader_.unsigned_integer(~std::uint64_t{0} - 1);
  if (next <= tag_) reader_.fail(errc::malformed, "tags of a message ascend from 1");
  tag_ = next;
  live_ = reader_.fine();
}

} // namespace mayfly::wire
