// A library with the part of NCCL's C interface that Mayfly uses: ranks are threads of one process.
#include "fake_nccl.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using mayfly::gpu::testing::fake_stream;
using mayfly::gpu::testing::misbehaviour;

namespace {

enum status : int {
  success = 0,
  internal_error = 3,
  invalid_argument = 4,
  remote_error = 6,
  in_progress = 7
};

std::atomic<misbehaviour> mood{misbehaviour::none};
std::atomic<int> open_communicators{0};

/// NCCL's buffers are rings of eight steps.
struct staging {
  std::array<std::vector<float>, 8> slots;
  std::size_t next = 0;
};

/// What the ranks of a group share.
struct meeting {
  std::mutex mutex;
  std::condition_variable changed;
  int ranks = 0;
  int joined = 0;
  bool broken = false;
  int waiting = 0;
  std::uint64_t round = 0;
  std::map<int, float const*> shares;
  std::map<std::pair<int, int>, std::deque<std::vector<float>>> letters; ///< by sender and receiver
  std::map<std::array<int, 3>, staging> stagings; ///< by sender, receiver (-1: a sum) and power of two

  /// Passes numbers through a buffer, as NCCL does: they stay there until others take their place.
  void stage(int from, int to, float const* first, std::size_t count) {
    auto& by = stagings[{from, to, static_cast<int>(std::bit_width(count))}];
    auto& slot = by.slots[by.next++ % by.slots.size()];
    slot.resize(std::max(slot.size(), count));
    std::copy_n(first, count, slot.begin());
  }

  void break_off() {
    std::lock_guard const lock(mutex);
    broken = true;
    changed.notify_all();
  }
  /// False if the group broke.
  bool barrier(std::unique_lock<std::mutex>& lock) {
    auto const mine = round;
    if (++waiting == ranks) {
      waiting = 0;
      ++round;
      changed.notify_all();
    }
    changed.wait(lock, [&] { return broken || round != mine; });
    return !broken;
  }
};

struct unique_id {
  std::array<char, 128> bytes;
};

std::mutex registry_mutex;
std::map<std::uint64_t, std::shared_ptr<meeting>> registry;

std::shared_ptr<meeting> meeting_of(unique_id const& id) {
  std::uint64_t number = 0;
  std::memcpy(&number, id.bytes.data(), sizeof number);
  std::lock_guard const lock(registry_mutex);
  auto& found = registry[number];
  if (!found) found = std::make_shared<meeting>();
  return found;
}

struct job {
  std::function<void()> work;
  fake_stream* stream;
};

/// Runs its jobs one after the other, as a stream does.
struct communicator {
  communicator(std::shared_ptr<meeting> with, int own) : group(std::move(with)), rank(own) {
    ++open_communicators;
  }
  ~communicator() {
    {
      std::lock_guard const lock(mutex);
      stopping = true;
      changed.notify_all();
    }
    if (worker.joinable()) worker.join();
    for (auto const& left : jobs) --*left.stream; // what was aborted is on no stream any more
    --open_communicators;
  }

  void enqueue(job next) {
    ++*next.stream;
    ++under_way;
    std::lock_guard const lock(mutex);
    jobs.push_back(std::move(next));
    changed.notify_all();
  }
  void run() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      changed.wait(lock, [&] { return stopping || !jobs.empty(); });
      if (stopping) break;
      auto const next = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      next.work();
      --*next.stream;
      --under_way;
      lock.lock();
    }
  }

  std::shared_ptr<meeting> group;
  int rank;
  std::atomic<bool> stays_in_progress{false};
  std::atomic<bool> finalised{false};
  std::atomic<int> under_way{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<job> jobs;
  bool stopping = false;
  std::thread worker;
};

struct grouped {
  communicator* owner;
  std::function<void()> work;
  fake_stream* stream;
  bool is_send;
};
thread_local int group_depth = 0;
thread_local std::vector<grouped> group_calls;

void wait_until_broken(std::shared_ptr<meeting> const& group) {
  std::unique_lock lock(group->mutex);
  group->changed.wait(lock, [&] { return group->broken; });
}

void add_up(meeting& group, int rank, float const* from, float* into, std::size_t count) {
  std::unique_lock lock(group.mutex);
  if (group.broken) return; // its callers are gone, and their memory
  group.shares[rank] = from;
  group.stage(rank, -1, from, count);
  if (!group.barrier(lock)) return;
  std::vector<float> sums(group.shares[0], group.shares[0] + count);
  for (int other = 1; other < group.ranks; ++other)
    for (std::size_t index = 0; index < count; ++index) sums[index] += group.shares[other][index];
  if (!group.barrier(lock)) return;
  std::memcpy(into, sums.data(), count * sizeof(float));
}

fake_stream nowhere{0};

/// What an operation's call does before it does its work: success, or how it misbehaves.
int begin_operation(communicator& of) {
  switch (mood.load()) {
  case misbehaviour::operation_fails:
    return invalid_argument;
  case misbehaviour::operation_blocks:
    wait_until_broken(std::shared_ptr(of.group));
    return internal_error;
  case misbehaviour::operation_is_slow:
    of.enqueue({[] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }, &nowhere});
    return success;
  case misbehaviour::operation_hangs:
    of.enqueue({[group = of.group] { wait_until_broken(group); }, &nowhere});
    return success;
  default:
    return success;
  }
}

} // namespace

extern "C" {

void fake_nccl_misbehave(misbehaviour how) { mood = how; }
int fake_nccl_open_communicators() { return open_communicators; }

int fake_nccl_residue() {
  std::lock_guard const lock(registry_mutex);
  std::ptrdiff_t found = 0;
  for (auto const& [number, group] : registry)
    for (auto const& [key, by] : group->stagings)
      for (auto const& slot : by.slots)
        found += std::ranges::count_if(slot, [](float each) { return each != 0; });
  return static_cast<int>(found);
}
void fake_nccl_forget() {
  std::lock_guard const lock(registry_mutex);
  for (auto const& [number, group] : registry) group->stagings.clear();
}

int ncclGetUniqueId(unique_id* into) {
  static std::atomic<std::uint64_t> next{1};
  auto const number = next++;
  std::memcpy(into->bytes.data(), &number, sizeof number);
  return success;
}

int ncclCommInitRankConfig(communicator** into, int ranks, unique_id id, int rank, int const* config) {
  auto const how = mood.load();
  // size, magic, version, blocking
  if (config[2] != static_cast<int>(0xcafebeef) || config[4] != 0) return invalid_argument;
  if (how == misbehaviour::forming_fails) return internal_error;
  if (how == misbehaviour::forming_blocks) std::this_thread::sleep_for(std::chrono::seconds(1));
  auto group = meeting_of(id);
  {
    std::lock_guard const lock(group->mutex);
    group->ranks = ranks;
    ++group->joined;
  }
  auto made = std::make_unique<communicator>(std::move(group), rank);
  made->stays_in_progress = how == misbehaviour::forming_hangs;
  made->worker = std::thread([raw = made.get()] { raw->run(); });
  *into = made.release();
  return in_progress;
}

int ncclCommGetAsyncError(communicator* of, int* said) {
  std::lock_guard const lock(of->group->mutex);
  bool const breaks = mood == misbehaviour::group_breaks && of->group->joined == of->group->ranks;
  if (of->group->broken || breaks)
    *said = remote_error;
  else
    *said =
        of->stays_in_progress || of->group->joined < of->group->ranks || (of->finalised && of->under_way > 0)
            ? in_progress
            : success;
  return success;
}

int ncclCommAbort(communicator* of) {
  of->group->break_off();
  if (mood == misbehaviour::abort_blocks) std::this_thread::sleep_for(std::chrono::seconds(1));
  delete of;
  return success;
}

int ncclCommFinalize(communicator* of) {
  of->finalised = true;
  of->stays_in_progress = mood == misbehaviour::end_hangs;
  return in_progress;
}

int ncclCommDestroy(communicator* of) {
  delete of;
  return success;
}

int ncclAllReduce(void const* from, void* into, std::size_t count, int type, int operation, communicator* of,
                  void* stream) {
  if (type != 7 || operation != 0) return invalid_argument;
  if (auto const said = begin_operation(*of); said != success) return said;
  of->enqueue({[=, group = of->group, rank = of->rank] {
                 add_up(*group, rank, static_cast<float const*>(from), static_cast<float*>(into), count);
               },
               static_cast<fake_stream*>(stream)});
  return success;
}

int ncclSend(void const* from, std::size_t count, int, int peer, communicator* of, void* stream) {
  auto send = [=, group = of->group, rank = of->rank] {
    std::lock_guard const lock(group->mutex);
    if (group->broken) return;
    auto const* const first = static_cast<float const*>(from);
    group->stage(rank, peer, first, count);
    group->letters[{rank, peer}].emplace_back(first, first + count);
    group->changed.notify_all();
  };
  group_calls.push_back({of, send, static_cast<fake_stream*>(stream), true});
  return group_depth > 0 ? success : internal_error; // Mayfly always groups
}

int ncclRecv(void* into, std::size_t count, int, int peer, communicator* of, void* stream) {
  auto receive = [=, group = of->group, rank = of->rank] {
    std::unique_lock lock(group->mutex);
    auto& letters = group->letters[{peer, rank}];
    group->changed.wait(lock, [&] { return group->broken || !letters.empty(); });
    if (letters.empty() || letters.front().size() != count) return;
    std::memcpy(into, letters.front().data(), count * sizeof(float));
    letters.pop_front();
  };
  group_calls.push_back({of, receive, static_cast<fake_stream*>(stream), false});
  return group_depth > 0 ? success : internal_error;
}

int ncclGroupStart() {
  ++group_depth;
  return success;
}

/// All sends of a group go before what waits for others.
int ncclGroupEnd() {
  --group_depth;
  auto const calls = std::exchange(group_calls, {});
  for (bool const sends : {true, false})
    for (auto const& each : calls)
      if (each.is_send == sends) each.owner->enqueue({each.work, each.stream});
  return success;
}
}
