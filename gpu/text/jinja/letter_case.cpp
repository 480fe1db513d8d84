// lower, upper, capitalize and title as Python does them.
#include "gpu/text/jinja/case_table.hpp"
#include "gpu/text/jinja/text_operations.hpp"
#include "gpu/text/utf8.hpp"

#include <algorithm>
#include <utf8proc.h>

namespace mayfly::gpu::jinja {
namespace {

constexpr char32_t sigma = 0x3A3;
constexpr char32_t dotted_i = 0x130;

template <std::size_t Count>
special_case const* find_special(special_case const (&among)[Count], char32_t code) noexcept {
  auto const* const found =
      std::lower_bound(std::begin(among), std::end(among), code,
                       [](special_case const& entry, char32_t wanted) { return entry.code < wanted; });
  return found != std::end(among) && found->code == code ? found : nullptr;
}

utf8proc_int32_t as_utf8proc(char32_t code) noexcept { return static_cast<utf8proc_int32_t>(code); }

/// Letters with case: what Python's title() calls cased.
bool is_cased(char32_t code) noexcept {
  auto const category = utf8proc_category(as_utf8proc(code));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

/// Marks and such do not come between a letter and the end of its word (Unicode, Case_Ignorable, in short).
bool is_case_ignorable(char32_t code) noexcept {
  auto const category = utf8proc_category(as_utf8proc(code));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
         category == UTF8PROC_CATEGORY_SK || code == '\'' || code == '.' || code == ':' || code == 0xB7 ||
         code == 0x2019;
}

/// True if a cased letter follows, marks aside: a sigma here is no final one.
bool letter_follows(std::string_view rest) noexcept {
  while (!rest.empty()) {
    auto const character = decode_utf8(rest);
    if (!is_case_ignorable(character.code)) return is_cased(character.code);
    rest.remove_prefix(character.bytes);
  }
  return false;
}

class case_changer {
public:
  case_changer(interpreter& with, text of) : out_(with.build()), rest_(of) {}

  bool done() const noexcept { return rest_.empty(); }
  char32_t next() const noexcept { return decode_utf8(rest_.view()).code; }
  text result() const noexcept { return out_.result(); }

  /// Takes the next character in `to`, which is lower, upper or capital.
  void take(letter_case to) {
    auto const character = decode_utf8(rest_.view());
    auto const code = character.code;
    auto const from = rest_.at(0);
    auto const behind = rest_.view().substr(character.bytes);
    if (to == letter_case::lower) {
      auto const final_sigma = code == sigma && letter_before_ && !letter_follows(behind);
      if (code == dotted_i)
        out_.append("i\u0307", from);
      else
        append(final_sigma ? 0x3C2 : static_cast<char32_t>(utf8proc_tolower(as_utf8proc(code))), from);
    } else {
      auto const upper = to == letter_case::upper;
      auto const* special = upper ? find_special(special_upper, code) : find_special(special_title, code);
      auto const mapped = upper ? utf8proc_toupper(as_utf8proc(code)) : utf8proc_totitle(as_utf8proc(code));
      if (special != nullptr)
        out_.append(special->mapped, from);
      else
        append(static_cast<char32_t>(mapped), from);
    }
    if (!is_case_ignorable(code)) letter_before_ = is_cased(code);
    rest_ = rest_.sub(character.bytes);
  }

private:
  void append(char32_t code, origin from) { out_.append(encode_utf8(code).view(), from); }

  text_builder& out_;
  text rest_;
  bool letter_before_ = false;
};

} // namespace

text change_case(interpreter& with, text of, letter_case to) {
  case_changer changer(with, of);
  auto first = true;
  auto in_word = false;
  while (!changer.done()) {
    auto const cased = is_cased(changer.next());
    switch (to) {
    case letter_case::lower:
    case letter_case::upper:
      changer.take(to);
      break;
    case letter_case::capital:
      changer.take(first ? letter_case::capital : letter_case::lower);
      break;
    case letter_case::words:
      changer.take(in_word ? letter_case::lower : letter_case::capital);
      break;
    }
    first = false;
    in_word = cased;
  }
  return changer.result();
}

text title_words(interpreter& with, text of) {
  case_changer changer(with, of);
  auto begins = true;
  while (!changer.done()) {
    auto const code = changer.next();
    auto const parts =
        code == '-' || code == '(' || code == '{' || code == '[' || code == '<' || is_python_space(code);
    changer.take(begins ? letter_case::upper : letter_case::lower);
    begins = parts;
  }
  return changer.result();
}

} // namespace mayfly::gpu::jinja
