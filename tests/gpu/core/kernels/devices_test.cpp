// Which device a choice comes to, and what is said where it comes to none.
#include "gpu/engine.hpp"
#include "gpu/kernels/devices.hpp"
#include "gpu/kernels/plugin.hpp"
#include "tests/gpu/core/engine/conversation.hpp"

#include <cstdlib>
#include <string>

namespace mayfly::gpu::testing {
namespace {

device_choice choice_of(device_kind kind, std::string const& plugin, std::uint32_t index = 0) {
  return {kind, index, std::string(MAYFLY_TEST_PLUGINS) + "/" + plugin + ".so"};
}

error refusal(std::string const& plugin, std::uint32_t index = 0) {
  auto const made = make_device(choice_of(device_kind::cuda, plugin, index), {1});
  REQUIRE_FALSE(made);
  return made.failure();
}

bool says(error const& failure, std::string_view part) {
  return failure.what.view().find(part) != std::string_view::npos;
}

} // namespace

TEST_CASE("a device is auto, cpu, cuda or one of several cuda devices") {
  CHECK(parse_device("auto")->kind == device_kind::any);
  CHECK(parse_device("cpu")->kind == device_kind::cpu);
  CHECK(parse_device("cuda")->kind == device_kind::cuda);
  CHECK(parse_device("cuda")->index == 0);
  CHECK(parse_device("cuda:3")->kind == device_kind::cuda);
  CHECK(parse_device("cuda:3")->index == 3);
  for (auto const* text :
       {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:99999999999", "cuda 1"}) {
    CAPTURE(text);
    auto const parsed = parse_device(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.failure().code == errc::configuration);
  }
}

TEST_CASE("who asks for CUDA is told why there is none") {
  CHECK(says(refusal("not_there"), "cannot be loaded"));
  CHECK(says(refusal("no_entry"), "lacks its entry"));
  CHECK(says(refusal("wrong_version"), "another version"));
  CHECK(refusal("wrong_version").number == backend_plugin_version + 1);
  CHECK(says(refusal("other_build"), "another compiler"));
  CHECK(says(refusal("no_driver"), "no driver"));
  CHECK(refusal("old_device", 0).code == errc::out_of_memory);
  CHECK(refusal("old_device", 1).code == errc::unsupported);
  CHECK(refusal("old_device", 1).number == 75);
  CHECK(says(refusal("old_device", 5), "no such CUDA device"));
  CHECK(refusal("old_device", 5).number == 2);
}

TEST_CASE("auto falls back to processors wherever CUDA cannot be had, and cpu does not look") {
  for (auto const* plugin :
       {"not_there", "no_entry", "wrong_version", "other_build", "no_driver", "old_device"}) {
    CAPTURE(plugin);
    auto const made = make_device(choice_of(device_kind::any, plugin), {1});
    REQUIRE(made);
    CHECK((*made)->name().view().starts_with("cpu"));
  }
  auto const processors = make_device(choice_of(device_kind::cpu, "emulated"), {1});
  REQUIRE(processors);
  CHECK((*processors)->name().view().starts_with("cpu"));
}

TEST_CASE("without a path the plug-in is looked for beside the program") {
  auto const made = make_device({device_kind::cuda, 0, {}}, {1});
  REQUIRE_FALSE(made);
  CHECK(says(made.failure(), "cannot be loaded"));
}

// Run by ops/test once the plug-in is built, which knows where it is. Here, where there is no driver, or
// there, where there is one, all but the device must be in order.
TEST_CASE("the plug-in that was built loads and is of this build", "[.built-plugin]") {
  auto const* const path = std::getenv("MAYFLY_BUILT_PLUGIN");
  REQUIRE(path != nullptr);
  auto const made = make_device({device_kind::cuda, 0, path}, {1});
  if (made) {
    CHECK((*made)->name().view() == "cuda");
  } else {
    CAPTURE(made.failure().what.view());
    CHECK((says(made.failure(), "no driver") || says(made.failure(), "no such CUDA device")));
  }
}

TEST_CASE("an engine loads its device out of a plug-in, and generates on it") {
  engine_options options;
  options.model = std::string(MAYFLY_TEST_MODELS) + "/micro-mixed.gguf";
  for (auto const kind : {device_kind::any, device_kind::cuda}) {
    options.device = choice_of(kind, "emulated");
    auto const loaded = engine::load(options);
    REQUIRE(loaded);
    CHECK((*loaded)->backend_name().view() == "cuda-emulated");
    auto const handle = must_submit(**loaded, request_for({1, 2, 3}, 4));
    CHECK(run(**loaded).at(handle).tokens.size() >= 1);
  }
  options.device = choice_of(device_kind::cuda, "no_driver");
  auto const refused = engine::load(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::configuration);
}

} // namespace mayfly::gpu::testing
