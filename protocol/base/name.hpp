#pragma once
#include "protocol/base/result.hpp"

#include <compare>
#include <string>
#include <string_view>

namespace mayfly {

/// A short identifier that the operator chose or the cluster made: a model of the catalogue, an endpoint, a
/// region. 1 to 128 characters of [A-Za-z0-9._:/@+*-]; empty only by default construction. A client's text
/// never becomes a name: it is looked up, and the name found is the catalogue's own. Names are metadata.
class name {
public:
  name() = default;
  /// Errors: malformed (length or character; `number` is the offset).
  static result<name> parse(std::string_view text);
  std::string_view view() const noexcept { return text_; }
  std::string const& text() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }
  friend auto operator<=>(name const&, name const&) = default;

private:
  std::string text_;
};

} // namespace mayfly

template <>
struct std::hash<mayfly::name> {
  std::size_t operator()(mayfly::name const& value) const noexcept {
    return std::hash<std::string>{}(value.text());
  }
};
