#include "actors/gateway/http/strict_head.hpp"

#include <algorithm>
#include <cstdint>

namespace mayfly::actors::http {
namespace {

constexpr std::int64_t most_fields = 100;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
/// RFC 9110, section 5.6.2.
bool is_token(char c) noexcept {
  return is_digit(c) || is_letter(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_control(char c) noexcept {
  auto const value = static_cast<unsigned char>(c);
  return (value < 0x20 && c != '\t') || value == 0x7F;
}
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_name(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct head_facts {
  bool modern = false; ///< HTTP/1.1
  int lengths = 0;
  int encodings = 0;
  int hosts = 0;
};

bool request_line_fine(std::string_view line, head_facts& facts) noexcept {
  auto const method_end = line.find(' ');
  if (method_end == 0 || method_end == std::string_view::npos) return false;
  auto const target_end = line.find(' ', method_end + 1);
  if (target_end == std::string_view::npos || target_end == method_end + 1) return false;
  auto const method = line.substr(0, method_end);
  auto const target = line.substr(method_end + 1, target_end - method_end - 1);
  auto const version = line.substr(target_end + 1);
  facts.modern = version == "HTTP/1.1";
  auto const printable = [](char c) { return c > 0x20 && c < 0x7F; };
  return std::all_of(method.begin(), method.end(), is_token) &&
         std::all_of(target.begin(), target.end(), printable) && (facts.modern || version == "HTTP/1.0");
}

bool field_fine(std::string_view line, head_facts& facts) noexcept {
  auto const colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  auto const field = line.substr(0, colon);
  // A folded line begins with a blank, which is no token: refused here.
  if (!std::all_of(field.begin(), field.end(), is_token)) return false;
  auto const value = trimmed(line.substr(colon + 1));
  if (same_name(field, "content-length")) {
    ++facts.lengths;
    return !value.empty() && value.size() <= 18 && std::all_of(value.begin(), value.end(), is_digit);
  }
  if (same_name(field, "transfer-encoding")) {
    ++facts.encodings;
    return same_name(value, "chunked");
  }
  if (same_name(field, "host")) ++facts.hosts;
  return true;
}

bool together_fine(head_facts const& facts) noexcept {
  if (facts.lengths > 1 || facts.encodings > 1 || facts.hosts > 1) return false;
  if (facts.lengths + facts.encodings > 1) return false;
  return facts.modern ? facts.hosts == 1 : facts.encodings == 0;
}

} // namespace

std::size_t head_size(std::string_view bytes) noexcept {
  auto const end = bytes.find("\r\n\r\n");
  return end == std::string_view::npos ? end : end + 4;
}

result<void> check_head(std::string_view head) noexcept {
  if (head_size(head) != head.size()) return error{errc::malformed, "a head ends with an empty line", 0};
  head.remove_suffix(2);
  head_facts facts;
  for (std::int64_t number = 0; !head.empty(); ++number) {
    auto const end = head.find("\r\n");
    auto const line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (std::any_of(line.begin(), line.end(), is_control))
      return error{errc::malformed, "a control character in the head", number};
    bool const fine = number == 0 ? request_line_fine(line, facts) : field_fine(line, facts);
    if (!fine) return error{errc::malformed, "a line of the head is not acceptable", number};
    if (number > most_fields) return error{errc::malformed, "too many header fields", number};
  }
  if (!together_fine(facts))
    return error{errc::malformed, "Host, Content-Length or Transfer-Encoding is ambiguous or missing", 0};
  return {};
}

} // namespace mayfly::actors::http
