#include "protocol/base/name.hpp"

namespace mayfly {
namespace {

constexpr std::size_t longest_name = 128;

constexpr bool allowed(char c) noexcept {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("._:/@+*-").find(c) != std::string_view::npos;
}

} // namespace

result<name> name::parse(std::string_view text) {
  if (text.empty() || text.size() > longest_name)
    return error{errc::malformed, "a name has 1 to 128 characters", static_cast<std::int64_t>(text.size())};
  for (std::size_t index = 0; index < text.size(); ++index)
    if (!allowed(text[index]))
      return error{errc::malformed, "a name holds letters, digits and ._:/@+*- only",
                   static_cast<std::int64_t>(index)};
  name made;
  made.text_ = text;
  return made;
}

} // namespace mayfly
