#pragma once
// The models that clients may name. A client's text is looked up here and never travels further: what goes
// on is the catalogue's own name.
#include "protocol/base/name.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace mayfly::actors::api {

struct served_model {
  name id;
  std::vector<name> aliases;
  std::uint32_t context_tokens = 0; ///< prompt and answer together, as configured; 0: the model's own
  std::int64_t created_unix_s = 0;
  name owned_by;
  bool demonstration = false; ///< too small to be useful: for trying the cluster out
};

/// What a client's text stands for. Points into the catalogue.
struct found_model {
  served_model const* model = nullptr;
  name const* asked = nullptr; ///< the id, or the alias that the client used
};

/// Constant once built; safe to read from any thread.
class model_catalogue {
public:
  model_catalogue() = default;
  /// Errors: configuration (two models claim one name; `number` is the second one's index).
  static result<model_catalogue> make(std::vector<served_model> models);

  std::optional<found_model> find(std::string_view text) const noexcept;
  std::vector<served_model> const& models() const noexcept { return models_; }

private:
  std::vector<served_model> models_;
};

} // namespace mayfly::actors::api
