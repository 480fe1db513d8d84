#include "gpu/collective/nccl/library.hpp"

#include <dlfcn.h>

namespace mayfly::gpu::nccl {
namespace {

template <class Function>
bool find(void* library, char const* name, Function& found) {
  found = reinterpret_cast<Function>(::dlsym(library, name));
  return found != nullptr;
}

} // namespace

result<functions> load(char const* library) {
  void* const opened = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) return error{errc::configuration, "NCCL (libnccl.so.2) is not on this host", 0};
  functions api{};
  bool const whole =
      find(opened, "ncclGetUniqueId", api.get_unique_id) &&
      find(opened, "ncclCommInitRankConfig", api.initialise) &&
      find(opened, "ncclCommGetAsyncError", api.get_async_error) &&
      find(opened, "ncclCommAbort", api.abort) && find(opened, "ncclCommFinalize", api.finalise) &&
      find(opened, "ncclCommDestroy", api.destroy) && find(opened, "ncclAllReduce", api.all_reduce) &&
      find(opened, "ncclSend", api.send) && find(opened, "ncclRecv", api.receive) &&
      find(opened, "ncclGroupStart", api.group_start) && find(opened, "ncclGroupEnd", api.group_end);
  if (!whole) return error{errc::configuration, "this library is no NCCL, or older than 2.18", 0};
  return api;
}

result<unique_id> make_unique_id(functions const& api) {
  unique_id made{};
  auto const outcome = api.get_unique_id(&made);
  if (outcome != status::success)
    return error{errc::backend_failed, "NCCL makes no id (status)", static_cast<std::int64_t>(outcome)};
  return made;
}

} // namespace mayfly::gpu::nccl
