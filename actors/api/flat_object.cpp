#include "actors/api/flat_object.hpp"

#include "actors/api/json_document.hpp"

#include <boost/json/object.hpp>

namespace mayfly::actors::api {

flat_object::flat_object(std::unique_ptr<json_document> parsed) : parsed_(std::move(parsed)) {}
flat_object::flat_object(flat_object&&) noexcept = default;
flat_object& flat_object::operator=(flat_object&&) noexcept = default;
flat_object::~flat_object() = default;

result<flat_object> flat_object::parse(std::string_view text) {
  auto parsed = json_document::parse(text, 1);
  if (!parsed) return error{errc::malformed, "not a flat JSON object", 0};
  if (!(*parsed)->root().is_object()) return error{errc::malformed, "not a JSON object", 0};
  return flat_object(std::move(*parsed));
}

std::string_view flat_object::text(std::string_view field) const noexcept {
  auto const* value = parsed_->root().get_object().if_contains({field.data(), field.size()});
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::int64_t flat_object::number(std::string_view field) const noexcept {
  auto const* value = parsed_->root().get_object().if_contains({field.data(), field.size()});
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

} // namespace mayfly::actors::api
