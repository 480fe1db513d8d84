#include "protocol/base/ids.hpp"

#include <charconv>
#include <sys/random.h>

namespace mayfly {
namespace {

std::string hexadecimal(std::uint64_t value) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t index = text.size(); index-- > 0; value >>= 4) text[index] = digits[value & 15];
  return text;
}

result<std::uint64_t> from_hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 16 || problem != std::errc{} || end != text.data() + text.size())
    return error{errc::malformed, "an id is 16 hexadecimal digits", 0};
  return value;
}

} // namespace

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  while (bits == 0 && getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = 0;
  return bits;
}

template <class Tag>
random_id<Tag> random_id<Tag>::make() {
  return {random_bits()};
}
template <class Tag>
std::string random_id<Tag>::text() const {
  return hexadecimal(value);
}
template <class Tag>
result<random_id<Tag>> random_id<Tag>::parse(std::string_view text) {
  auto value = from_hexadecimal(text);
  if (!value) return value.failure();
  return random_id{*value};
}

template struct random_id<node_tag>;
template struct random_id<account_tag>;
template struct random_id<retention_tag>;

request_id request_id::make(retention_id retention) { return {retention, random_bits()}; }
std::string request_id::text() const { return retention.text() + hexadecimal(serial); }
result<request_id> request_id::parse(std::string_view text) {
  if (text.size() != 32) return error{errc::malformed, "a request id is 32 hexadecimal digits", 0};
  auto instance = retention_id::parse(text.substr(0, 16));
  auto serial = from_hexadecimal(text.substr(16));
  if (!instance) return instance.failure();
  if (!serial) return serial.failure();
  return request_id{*instance, *serial};
}

} // namespace mayfly
