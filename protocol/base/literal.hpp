#pragma once
#include <string_view>

namespace mayfly {

/// Text that stands in the source. Only a string literal converts to it, so what is built from literals and
/// numbers cannot carry content.
class literal {
public:
  consteval literal() : text_("") {}
  // NOLINTNEXTLINE(google-explicit-constructor): call sites read as plain text
  template <std::size_t Size>
  consteval literal(char const (&text)[Size]) : text_(text, Size - 1) {}
  constexpr std::string_view view() const noexcept { return text_; }
  friend constexpr bool operator==(literal, literal) = default;

private:
  std::string_view text_;
};

} // namespace mayfly
