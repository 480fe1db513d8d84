#include "gpu/text/jinja/lexer.hpp"

#include "gpu/text/jinja/failure.hpp"
#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace mayfly::gpu::jinja {
namespace {

/// jinja2 works on text with "\n" for every line break, and without a last one.
std::string normalize_lines(std::string_view source) {
  std::string lines;
  lines.reserve(source.size());
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] != '\r')
      lines += source[at];
    else if (at + 1 == source.size() || source[at + 1] != '\n')
      lines += '\n';
  }
  if (!lines.empty() && lines.back() == '\n') lines.pop_back();
  return lines;
}

bool is_space(char character) noexcept {
  return character == ' ' || (character >= '\t' && character <= '\r');
}
bool is_digit(char character) noexcept { return character >= '0' && character <= '9'; }
bool is_name_start(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         character == '_' || static_cast<unsigned char>(character) >= 0x80;
}

class lexer {
public:
  explicit lexer(std::string_view source) : source_(source) {}

  std::vector<token> run() {
    while (at_ < source_.size()) take_data();
    add(token_kind::end, {});
    return std::move(tokens_);
  }

private:
  bool sees(std::string_view text) const noexcept { return source_.substr(at_).starts_with(text); }

  void add(token_kind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  void skip(std::size_t count) {
    auto const skipped = source_.substr(at_, count);
    line_ += static_cast<std::uint32_t>(std::count(skipped.begin(), skipped.end(), '\n'));
    if (!skipped.empty()) line_starts_ = skipped.back() == '\n';
    at_ += skipped.size();
  }

  void skip_space() {
    while (at_ < source_.size() && is_space(source_[at_])) skip(1);
  }

  /// Text up to the next tag, then the tag.
  void take_data() {
    auto end = at_;
    while (true) {
      end = source_.find('{', end);
      if (end == std::string_view::npos || end + 1 >= source_.size()) {
        add_data(source_.substr(at_));
        return skip(source_.size() - at_);
      }
      if (auto const next = source_[end + 1]; next == '{' || next == '%' || next == '#') break;
      ++end;
    }
    auto const open = source_[end + 1];
    auto const control = end + 2 < source_.size() ? source_[end + 2] : '\0';
    add_data(strip_before(source_.substr(at_, end - at_), open, control));
    skip(end - at_);
    auto const controlled = control == '-' || control == '+';
    if (open == '#') return take_comment(controlled ? 3 : 2);
    if (open == '%' && take_raw(controlled ? 3 : 2)) return;
    take_tag(open, controlled ? 3 : 2);
  }

  void add_data(std::string_view text) {
    if (!text.empty()) add(token_kind::data, std::string(text));
  }

  std::string_view strip_before(std::string_view text, char open, char control) const noexcept {
    if (control == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
      return text;
    }
    if (control == '+' || open == '{') return text;
    auto const line = text.rfind('\n') + 1; // npos + 1 is 0
    if (line == 0 && !line_starts_) return text;
    return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(line), text.end(), is_space)
               ? text.substr(0, line)
               : text;
  }

  /// Behind a tag's end: "-" takes all white space, a block's or comment's end one line break.
  void strip_after(char control, bool block) {
    if (control == '-') return skip_space();
    if (block && control != '+' && sees("\n")) skip(1);
  }

  void take_comment(std::size_t opening) {
    auto const end = source_.find("#}", at_ + opening);
    if (end == std::string_view::npos)
      fail(errc::malformed, "a comment in a chat template does not end", line_);
    auto const control = end > at_ + opening ? source_[end - 1] : '\0';
    skip(end + 2 - at_);
    strip_after(control, true);
  }

  /// {% raw %} ... {% endraw %}; false where the tag is another.
  bool take_raw(std::size_t opening) {
    auto at = tag_end_of("raw", at_ + opening);
    if (at == std::string_view::npos) return false;
    auto const control = source_[at - 3];
    skip(at - at_);
    if (control == '-') skip_space();
    for (auto end = source_.find("{%", at_); end != std::string_view::npos;
         end = source_.find("{%", end + 2)) {
      auto const before = source_[end + 2];
      auto const after = tag_end_of("endraw", end + (before == '-' || before == '+' ? 3 : 2));
      if (after == std::string_view::npos) continue;
      add_data(strip_before(source_.substr(at_, end - at_), '%', before));
      skip(after - at_);
      strip_after(source_[after - 3], true);
      return true;
    }
    fail(errc::malformed, "raw text in a chat template does not end", line_);
  }

  /// The position behind "name %}" at `at`, or npos.
  std::size_t tag_end_of(std::string_view name, std::size_t at) const noexcept {
    auto const spaces = [&] {
      while (at < source_.size() && is_space(source_[at])) ++at;
    };
    spaces();
    if (!source_.substr(std::min(at, source_.size())).starts_with(name)) return std::string_view::npos;
    at += name.size();
    spaces();
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    return source_.substr(std::min(at, source_.size())).starts_with("%}") ? at + 2 : std::string_view::npos;
  }

  void take_tag(char open, std::size_t opening) {
    auto const block = open == '%';
    add(block ? token_kind::block_begin : token_kind::variable_begin, {});
    skip(opening);
    auto const closing = std::string_view(block ? "%}" : "}}");
    std::size_t brackets = 0;
    while (true) {
      skip_space();
      if (at_ == source_.size()) fail(errc::malformed, "a tag in a chat template does not end", line_);
      auto const control = source_[at_];
      auto const controlled =
          (control == '-' || (block && control == '+')) && source_.substr(at_ + 1).starts_with(closing);
      if (brackets == 0 && (controlled || sees(closing))) {
        add(block ? token_kind::block_end : token_kind::variable_end, {});
        skip(closing.size() + (controlled ? 1 : 0));
        return strip_after(controlled ? control : '\0', block);
      }
      take_token(brackets);
    }
  }

  void take_token(std::size_t& brackets) {
    auto const character = source_[at_];
    if (character == '"' || character == '\'') return take_text(character);
    if (is_digit(character)) return take_number();
    if (is_name_start(character)) {
      auto end = at_ + 1;
      while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
      add(token_kind::name, std::string(source_.substr(at_, end - at_)));
      return skip(end - at_);
    }
    take_sign(brackets);
  }

  void take_sign(std::size_t& brackets) {
    constexpr std::array<std::string_view, 27> signs = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                                        "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                                        "]",  "{",  "}",  ".",  ",",  ":",  "|", ";", "!"};
    auto const* const found = std::find_if(signs.begin(), signs.end(), [&](auto sign) { return sees(sign); });
    if (found == signs.end())
      fail(errc::malformed, "a chat template has a character that means nothing", line_);
    if (*found == "(" || *found == "[" || *found == "{") ++brackets;
    if ((*found == ")" || *found == "]" || *found == "}") && brackets-- == 0)
      fail(errc::malformed, "brackets in a chat template do not match", line_);
    add(token_kind::sign, std::string(*found));
    skip(found->size());
  }

  void take_number() {
    std::string digits;
    auto kind = token_kind::integer;
    auto end = at_;
    auto const at = [&](std::size_t where) { return where < source_.size() ? source_[where] : '\0'; };
    auto const take_digits = [&] {
      for (; is_digit(at(end)) || (at(end) == '_' && is_digit(at(end + 1))); ++end)
        if (at(end) != '_') digits += at(end);
    };
    take_digits();
    if (at(end) == '.' && is_digit(at(end + 1))) {
      kind = token_kind::real;
      digits += at(end++);
      take_digits();
    }
    auto const signed_exponent = at(end + 1) == '+' || at(end + 1) == '-';
    if ((at(end) == 'e' || at(end) == 'E') && is_digit(at(end + (signed_exponent ? 2 : 1)))) {
      kind = token_kind::real;
      digits += at(end++);
      if (signed_exponent) digits += at(end++);
      take_digits();
    }
    add(kind, std::move(digits));
    skip(end - at_);
  }

  void take_text(char quote) {
    std::string text;
    auto end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) {
      if (source_[end] != '\\')
        text += source_[end++];
      else
        end = take_escape(end + 1, text);
    }
    if (end >= source_.size()) fail(errc::malformed, "a text in a chat template does not end", line_);
    add(token_kind::text, std::move(text));
    skip(end + 1 - at_);
  }

  /// Python's escapes; unknown ones stay as they are. Returns the position behind.
  std::size_t take_escape(std::size_t at, std::string& text) const {
    if (at >= source_.size()) return at;
    constexpr std::string_view letters = "ntr\\'\"abfv";
    constexpr std::string_view meanings = "\n\t\r\\'\"\a\b\f\v";
    auto const letter = source_[at];
    if (letter == '\n') return at + 1;
    if (auto const found = letters.find(letter); found != std::string_view::npos) {
      text += meanings[found];
      return at + 1;
    }
    if (letter >= '0' && letter <= '7') return take_code(at, 3, 8, text);
    auto const digits = letter == 'x' ? 2U : letter == 'u' ? 4U : letter == 'U' ? 8U : 0U;
    if (digits != 0) return take_code(at + 1, digits, 16, text);
    (text += '\\') += letter;
    return at + 1;
  }

  std::size_t take_code(std::size_t at, std::size_t most, int base, std::string& text) const {
    auto const digits = source_.substr(at, most);
    std::uint32_t code = 0;
    auto const end = std::from_chars(digits.data(), digits.data() + digits.size(), code, base).ptr;
    text += encode_utf8(code).view();
    return at + static_cast<std::size_t>(end - digits.data());
  }

  std::string_view source_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_starts_ = true; ///< what was read last ended a line
  std::vector<token> tokens_;
};

} // namespace

std::vector<token> tokenize(std::string_view source) { return lexer(normalize_lines(source)).run(); }

} // namespace mayfly::gpu::jinja
