#include "actors/api/draft.hpp"

#include <charconv>
#include <cmath>

namespace mayfly::actors::api {

field_path field_path::at(std::size_t index) const {
  field_path made;
  made.text_ = text_.clone();
  char digits[24];
  auto const end = std::to_chars(digits, digits + sizeof digits, index).ptr;
  made.text_.push_back('[');
  made.text_.append({digits, static_cast<std::size_t>(end - digits)});
  made.text_.push_back(']');
  return made;
}

field_path field_path::member(std::string_view field) const {
  field_path made;
  made.text_ = text_.clone();
  made.text_.push_back('.');
  made.text_.append(field);
  return made;
}

refusal wrong_type(std::string_view field, literal must) { return refuse_field("invalid_type", field, must); }
refusal wrong_value(std::string_view field, literal must) {
  return refuse_field("invalid_value", field, must);
}
refusal beyond(std::string_view field, literal is, std::uint64_t most, literal unit) {
  auto why = wrong_value(field, is);
  char digits[24];
  auto const end = std::to_chars(digits, digits + sizeof digits, most).ptr;
  why.message.push_back(' ');
  why.message.append({digits, static_cast<std::size_t>(end - digits)});
  why.message.append(unit.view());
  why.message.push_back('.');
  return why;
}
refusal unsupported(std::string_view field, literal why) {
  return refuse_field("unsupported_value", field, why);
}

reading<double> read_number(std::string_view field, boost::json::value const& value, double low, double high,
                            literal must) {
  double number = 0;
  if (value.is_double())
    number = value.get_double();
  else if (value.is_int64())
    number = static_cast<double>(value.get_int64());
  else if (value.is_uint64())
    number = static_cast<double>(value.get_uint64());
  else
    return wrong_type(field, must);
  // The parser reads 1e999 as infinity.
  if (!std::isfinite(number) || number < low || number > high) return wrong_value(field, must);
  return number;
}

reading<std::int64_t> read_integer(std::string_view field, boost::json::value const& value, std::int64_t low,
                                   std::int64_t high, literal must) {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_double()) {
    auto const real = value.get_double();
    if (!std::isfinite(real)) return wrong_value(field, must);
    if (std::trunc(real) != real) return wrong_type(field, must);
    if (real < -9.0e18 || real > 9.0e18) return wrong_value(field, must);
    number = static_cast<std::int64_t>(real);
  } else if (value.is_uint64()) {
    return wrong_value(field, must); // beyond 2^63
  } else {
    return wrong_type(field, must);
  }
  if (number < low || number > high) return wrong_value(field, must);
  return number;
}

reading<bool> read_boolean(std::string_view field, boost::json::value const& value) {
  if (!value.is_bool()) return wrong_type(field, "must be true or false.");
  return value.get_bool();
}

reading<std::string_view> read_string(std::string_view field, boost::json::value const& value) {
  if (!value.is_string()) return wrong_type(field, "must be a string.");
  return view_of(value.get_string());
}

std::string_view view_of(boost::json::string const& text) noexcept { return {text.data(), text.size()}; }

std::string_view text_or_empty(boost::json::value const& value) noexcept {
  return value.is_string() ? view_of(value.get_string()) : std::string_view();
}

} // namespace mayfly::actors::api
