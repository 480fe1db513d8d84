#pragma once
#include "protocol/base/result.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace mayfly::actors::api {

class json_document;

/// A JSON object without nested ones, as lines of our own files hold: for who may not see Boost.JSON.
class flat_object {
public:
  /// Errors: malformed.
  static result<flat_object> parse(std::string_view text);
  flat_object(flat_object&&) noexcept;
  flat_object& operator=(flat_object&&) noexcept;
  ~flat_object();

  /// A string's characters, or nothing.
  std::string_view text(std::string_view field) const noexcept;
  /// A whole number, or 0.
  std::int64_t number(std::string_view field) const noexcept;

private:
  explicit flat_object(std::unique_ptr<json_document> parsed);
  std::unique_ptr<json_document> parsed_;
};

} // namespace mayfly::actors::api
