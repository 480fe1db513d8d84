#include "gpu/model/llama.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace mayfly::gpu {
namespace {

using loader = result<std::unique_ptr<model>> (*)(std::shared_ptr<gguf_file const>, backend&, model_limits,
                                                  shard);

constexpr std::array<std::pair<std::string_view, loader>, 1> architectures{{{"llama", load_llama}}};

} // namespace

result<std::unique_ptr<model>> load_model(std::shared_ptr<gguf_file const> file, backend& device,
                                          model_limits limits, shard part) {
  auto const name = file->text("general.architecture");
  if (!name) return error{errc::malformed, "the model file does not name its architecture", 0};
  auto const* const known = std::find_if(architectures.begin(), architectures.end(),
                                         [&](auto const& entry) { return entry.first == *name; });
  if (known == architectures.end())
    return error{errc::unsupported, "the model file's architecture is not one that this engine knows", 0};
  return known->second(std::move(file), device, limits, part);
}

} // namespace mayfly::gpu
