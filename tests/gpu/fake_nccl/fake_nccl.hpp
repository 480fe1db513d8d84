#pragma once
// What the fake NCCL does beside NCCL's own functions: it misbehaves on demand. A stream is an atomic count
// of what is under way on it; memory is the host's.
#include <atomic>
#include <cstdint>

namespace mayfly::gpu::testing {

using fake_stream = std::atomic<int>;

enum class misbehaviour : std::uint8_t {
  none,
  forming_hangs,     // the group stays in progress
  forming_blocks,    // the call itself does not return
  forming_fails,     // the call refuses
  operation_is_slow, // it takes 50 ms
  operation_hangs,   // it is enqueued and never done
  operation_blocks,  // the call does not return until the group is aborted
  operation_fails,   // the call refuses
  group_breaks,      // the group reports an error of its own accord
  end_hangs,         // the end in peace stays in progress
  abort_blocks,      // nor does abort return, for a second
};

} // namespace mayfly::gpu::testing

/// Of all that comes after.
extern "C" void fake_nccl_misbehave(mayfly::gpu::testing::misbehaviour how);
/// How many communicators were made and not yet destroyed or aborted.
extern "C" int fake_nccl_open_communicators();
/// How many numbers other than zero are left in buffers between ranks, of all groups since `forget`.
extern "C" int fake_nccl_residue();
extern "C" void fake_nccl_forget();
