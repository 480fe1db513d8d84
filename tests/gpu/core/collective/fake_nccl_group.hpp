#pragma once
// Groups over the fake NCCL (tests/gpu/fake_nccl), which is loaded as the real one is.
#include "groups.hpp"

#include "gpu/collective/nccl/nccl_collective.hpp"
#include "tests/gpu/fake_nccl/fake_nccl.hpp"

#include <deque>
#include <dlfcn.h>
#include <mutex>

namespace mayfly::gpu::testing {

inline nccl::functions const& fake_api() {
  static auto const loaded = nccl::load(MAYFLY_FAKE_NCCL);
  return loaded.value();
}

template <class Function>
Function* fake_control(char const* name) {
  static void* const library = dlopen(MAYFLY_FAKE_NCCL, RTLD_NOW);
  return reinterpret_cast<Function*>(dlsym(library, name));
}

/// The fake misbehaves as long as this lives.
struct bad_mood {
  explicit bad_mood(misbehaviour how) { set(how); }
  bad_mood(bad_mood const&) = delete;
  bad_mood& operator=(bad_mood const&) = delete;
  ~bad_mood() { set(misbehaviour::none); }
  static void set(misbehaviour how) { fake_control<void(misbehaviour)>("fake_nccl_misbehave")(how); }
};

/// A rank's stream and zeros: they stay, as NCCL's threads may outlive a group that hung.
struct lane {
  fake_stream stream{0};
  std::atomic<int> marks{0};
  std::vector<float> zeros = std::vector<float>(20'000);
};

inline lane& new_lane() {
  static std::mutex mutex;
  static std::deque<lane> all;
  std::lock_guard const lock(mutex);
  return all.emplace_back();
}

inline nccl_options options_for(std::uint32_t rank, std::uint32_t ranks, nccl::unique_id const& id,
                                std::chrono::milliseconds patience) {
  auto& own = new_lane();
  nccl_options made;
  made.rank = rank;
  made.size = ranks;
  made.id = id;
  made.patience = made.forming = patience;
  made.stream = {[&own] { return &own.stream; }, [&own] { return own.stream == 0; }, [&own] { ++own.marks; },
                 [&own] { return static_cast<std::uint64_t>(own.marks - own.stream); }};
  made.zeros = own.zeros;
  return made;
}

inline group fake_nccl_group(std::uint32_t ranks, std::chrono::milliseconds patience) {
  auto const id = nccl::make_unique_id(fake_api());
  REQUIRE(id.has_value());
  group made(ranks);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        auto one = make_nccl_collective(fake_api(), options_for(rank, ranks, *id, patience));
        if (one) made[rank] = std::move(*one);
      });
  }
  for (auto const& each : made) REQUIRE(each != nullptr);
  return made;
}

} // namespace mayfly::gpu::testing
