#pragma once
// NCCL as it is found at run time: no link, no header of its own. The numbers and shapes below are facts of
// its C interface, which only grows (NVIDIA, NCCL Developer Guide; checked against 2.28 and 2.32).
#include "protocol/base/result.hpp"

#include <array>
#include <climits>
#include <cstddef>

namespace mayfly::gpu::nccl {

enum class status : int { success = 0, remote_error = 6, in_progress = 7 }; // others: some failure

/// Tells a new group's ranks where its first meets them: opaque, new for every epoch. It says how to join the
/// group: it travels over authenticated links alone and is logged nowhere.
struct unique_id {
  std::array<char, 128> bytes;
};

using raw_communicator = struct opaque_communicator*;

/// As far as 2.18 knows it; later ones take this for an older caller's and add what is missing.
struct configuration {
  std::size_t size = sizeof(configuration);
  unsigned magic = 0xcafebeef;
  unsigned version = 21800;
  int blocking = 0;
  int cluster_size = INT_MIN; // INT_MIN: NCCL's own choice
  int least_blocks = INT_MIN;
  int most_blocks = INT_MIN;
  char const* network = nullptr;
  int share_on_split = INT_MIN;
};

inline constexpr int float32 = 7; ///< ncclDataType_t
inline constexpr int sum = 0;     ///< ncclRedOp_t

struct functions {
  status (*get_unique_id)(unique_id*);
  status (*initialise)(raw_communicator*, int ranks, unique_id, int rank, configuration*);
  status (*get_async_error)(raw_communicator, status*);
  status (*abort)(raw_communicator);
  status (*finalise)(raw_communicator);
  status (*destroy)(raw_communicator);
  status (*all_reduce)(void const* from, void* into, std::size_t count, int type, int operation,
                       raw_communicator, void* stream);
  status (*send)(void const* from, std::size_t count, int type, int peer, raw_communicator, void* stream);
  status (*receive)(void* into, std::size_t count, int type, int peer, raw_communicator, void* stream);
  status (*group_start)();
  status (*group_end)();
};

/// Loads the library, which stays loaded until the process ends: its threads cannot be told to leave. What it
/// says of itself is kept quiet by the environment (network_policy.hpp), read when it first loads.
/// Errors: configuration (no such library, or one that lacks a function).
result<functions> load(char const* library = "libnccl.so.2");

/// A new group's id. The process that calls it holds the meeting point: it must live until all ranks have
/// formed the group. Errors: backend_failed (`number`: NCCL's status).
result<unique_id> make_unique_id(functions const& api);

} // namespace mayfly::gpu::nccl
