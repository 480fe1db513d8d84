#include "gpu/kernels/devices.hpp"

#include "gpu/kernels/plugin.hpp"

#include <charconv>
#include <cstring>
#include <dlfcn.h>
#include <system_error>

namespace mayfly::gpu {
namespace {

constexpr char const* plugin_file = "libmayfly_cuda.so";

std::filesystem::path find_plugin(device_choice const& choice) {
  if (!choice.plugin.empty()) return choice.plugin;
  std::error_code failure;
  auto const program = std::filesystem::read_symlink("/proc/self/exe", failure);
  auto const beside = program.parent_path() / plugin_file;
  if (failure || std::filesystem::exists(beside, failure)) return beside;
  return program.parent_path().parent_path() / "lib" / "mayfly" / plugin_file;
}

/// The table of the library at `path`, which is never unloaded: errors point into it, and CUDA does not
/// survive it.
result<backend_plugin const*> open_plugin(std::filesystem::path const& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    return error{
        errc::configuration,
        "the CUDA plug-in libmayfly_cuda.so cannot be loaded: is it installed, with the CUDA libraries?", 0};
  void* const symbol = dlsym(library, backend_plugin_entry);
  if (symbol == nullptr) return error{errc::configuration, "the CUDA plug-in lacks its entry", 0};
  decltype(&mayfly_backend_plugin) entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof entry);
  auto const* const table = entry();
  if (table == nullptr || table->version != backend_plugin_version)
    return error{errc::configuration, "the CUDA plug-in is of another version",
                 table == nullptr ? 0 : std::int64_t{table->version}};
  if (std::string_view(table->build) != backend_plugin_build)
    return error{errc::configuration, "the CUDA plug-in was built by another compiler than this program", 0};
  return table;
}

result<void> check(device_report const& report) {
  switch (report.outcome) {
  case probe_outcome::usable:
    return {};
  case probe_outcome::no_driver:
    return error{errc::configuration,
                 "no CUDA device: there is no driver, or it is older than the plug-in needs", 0};
  case probe_outcome::no_such_device:
    return error{errc::configuration, "no such CUDA device (devices)", report.devices};
  case probe_outcome::too_old:
    break;
  }
  return error{errc::unsupported, "the CUDA device is too old (compute capability times ten, 80 is needed)",
               report.capability};
}

} // namespace

result<device_choice> parse_device(std::string_view text) {
  device_choice choice;
  if (text == "auto") return choice;
  choice.kind = device_kind::cpu;
  if (text == "cpu") return choice;
  choice.kind = device_kind::cuda;
  if (text == "cuda") return choice;
  constexpr std::string_view indexed = "cuda:";
  if (text.starts_with(indexed)) {
    auto const digits = text.substr(indexed.size());
    auto const* const end = digits.data() + digits.size();
    auto const [stopped, failure] = std::from_chars(digits.data(), end, choice.index);
    if (failure == std::errc() && stopped == end) return choice;
  }
  return error{errc::configuration, "a device is auto, cpu, cuda or cuda:INDEX", 0};
}

result<void> probe_cuda(device_choice const& choice) {
  auto const table = open_plugin(find_plugin(choice));
  if (!table) return table.failure();
  return check((*table)->probe(choice.index));
}

result<std::unique_ptr<backend>> open_cuda(device_choice const& choice) {
  auto const table = open_plugin(find_plugin(choice));
  if (!table) return table.failure();
  if (auto const usable = check((*table)->probe(choice.index)); !usable) return usable.failure();
  error failure{errc::backend_failed, "the CUDA plug-in made no backend", 0};
  std::unique_ptr<backend> made((*table)->create(choice.index, &failure));
  if (made == nullptr) return failure;
  return made;
}

result<std::unique_ptr<backend>> make_device(device_choice const& choice, cpu_options const& processors) {
  if (choice.kind != device_kind::cpu) {
    auto opened = open_cuda(choice);
    if (opened || choice.kind == device_kind::cuda) return opened;
  }
  return make_cpu_backend(processors);
}

} // namespace mayfly::gpu
