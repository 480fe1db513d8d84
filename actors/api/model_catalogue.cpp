#include "actors/api/model_catalogue.hpp"

namespace mayfly::actors::api {

result<model_catalogue> model_catalogue::make(std::vector<served_model> models) {
  model_catalogue made;
  for (auto& model : models) {
    auto const index = static_cast<std::int64_t>(made.models_.size());
    auto taken = made.find(model.id.view()).has_value() || model.id.empty();
    for (auto const& alias : model.aliases)
      taken = taken || made.find(alias.view()).has_value() || alias == model.id;
    if (taken) return error{errc::configuration, "a model's name is empty or taken by another", index};
    made.models_.push_back(std::move(model));
  }
  return made;
}

std::optional<found_model> model_catalogue::find(std::string_view text) const noexcept {
  for (auto const& model : models_) {
    if (model.id.view() == text) return found_model{&model, &model.id};
    for (auto const& alias : model.aliases)
      if (alias.view() == text) return found_model{&model, &alias};
  }
  return std::nullopt;
}

} // namespace mayfly::actors::api
