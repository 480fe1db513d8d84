#include "gpu/kernels/emulation/block.hpp"

#include "gpu/kernels/emulation/fiber.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mayfly::gpu::emulation {
namespace {

constexpr unsigned warp_lanes = 32;
constexpr unsigned most_threads = 1024;
constexpr std::size_t most_bytes_brought = 64;
constexpr std::size_t stack_bytes = 64 * 1024;

enum class waiting : std::uint8_t { no, for_block, for_warp, ended };

struct thread {
  fiber flow;
  unsigned index = 0;
  waiting state = waiting::no;
  std::source_location where;
  std::byte mailbox[most_bytes_brought]; ///< what the last meeting left for it
};

/// Who goes on next. Evenly, no thread gets far ahead of the others; but some races need one warp to run from
/// barrier to barrier before another has begun.
enum class turn_order : std::uint8_t { by_lot, latest_first };

/// A broken rule; put into words by who finds it on a stack that is not given up.
struct breach {
  char const* rule = nullptr; ///< null: none
  std::source_location where;
  std::source_location other;
};

/// One meeting at a time: lanes that come to another while it is open are diverged.
struct warp {
  std::uint32_t mask = 0; ///< 0: no meeting is open
  std::uint32_t came = 0;
  std::source_location where;
  alignas(16) std::array<std::byte, warp_lanes * most_bytes_brought> brought;
};

std::string place(std::source_location const& where) {
  std::string const file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

bool same_place(std::source_location const& one, std::source_location const& other) {
  return one.line() == other.line() && one.column() == other.column() &&
         (one.file_name() == other.file_name() || std::strcmp(one.file_name(), other.file_name()) == 0);
}

/// All that a running grid consists of; one a thread of the machine.
class machine {
public:
  void run(launch_shape const& shape, std::function<void()> const& kernel);
  void seed(std::uint64_t value) noexcept { seed_ = value; }

  void meet_block(std::source_location where);
  void meet_warp(std::uint32_t mask, void* mine, std::size_t bytes, void (*work)(void*, std::uint32_t),
                 std::source_location where);

  launch_shape shape;
  index3 block;
  std::unique_ptr<std::byte[]> shared; ///< to the byte, so that AddressSanitizer sees its end
  thread* current = nullptr;

private:
  static void thread_body(void* self);
  void run_block();
  void give_up(char const* rule, std::source_location where, std::source_location other);
  void wait(waiting what, std::source_location where);
  void make_ready(thread& each) {
    each.state = waiting::no;
    ready_.push_back(&each);
  }
  void go_on();
  thread* draw();
  std::uint64_t next_lot();
  std::string who_waits() const;

  std::uint64_t seed_ = 0;
  std::uint64_t lot_ = 0;
  turn_order order_ = turn_order::by_lot; ///< of the running block
  std::function<void()> const* kernel_ = nullptr;
  fiber home_;
  std::vector<std::unique_ptr<std::byte[]>> stacks_;
  std::vector<std::unique_ptr<thread>> threads_;
  std::vector<warp> warps_;
  std::vector<thread*> ready_;
  unsigned at_barrier_ = 0;
  unsigned ended_ = 0;
  breach broken_; ///< the block stops
};

machine& here() {
  thread_local machine all;
  return all;
}

void machine::run(launch_shape const& wanted, std::function<void()> const& kernel) {
  if (wanted.threads == 0 || wanted.threads % warp_lanes != 0 || wanted.threads > most_threads)
    throw fault("a block of " + std::to_string(wanted.threads) + " threads");
  if (current != nullptr) throw fault("a kernel starts a kernel");
  shape = wanted;
  kernel_ = &kernel;
  lot_ = seed_ * 0x9E3779B97F4A7C15U + 1;
  while (threads_.size() < shape.threads) {
    threads_.push_back(std::make_unique<thread>());
    stacks_.push_back(std::make_unique<std::byte[]>(stack_bytes));
  }
  warps_.resize(std::max<std::size_t>(warps_.size(), shape.threads / warp_lanes));
  for (block.z = 0; block.z < shape.grid.z; ++block.z)
    for (block.y = 0; block.y < shape.grid.y; ++block.y)
      for (block.x = 0; block.x < shape.grid.x; ++block.x) run_block();
}

void machine::run_block() {
  shared = shape.shared_bytes == 0 ? nullptr : std::make_unique<std::byte[]>(shape.shared_bytes);
  if (shared) std::memset(shared.get(), 0xFF, shape.shared_bytes);
  for (auto& each : warps_) each.mask = each.came = 0;
  at_barrier_ = ended_ = 0;
  broken_ = {};
  ready_.clear();
  for (unsigned index = 0; index < shape.threads; ++index) {
    auto& each = *threads_[index];
    each.index = index;
    each.flow.prepare(stacks_[index].get(), stack_bytes, &machine::thread_body, this);
    make_ready(each);
  }
  order_ = next_lot() % 2 == 0 ? turn_order::by_lot : turn_order::latest_first;
  // Whole warps in a row, from any of them on: the last begins.
  auto const first = static_cast<std::ptrdiff_t>(next_lot() % (shape.threads / warp_lanes) * warp_lanes);
  std::rotate(ready_.begin(), ready_.begin() + first, ready_.end());
  current = draw();
  home_.switch_to(current->flow);
  current = nullptr;
  if (broken_.rule != nullptr)
    throw fault(std::string(broken_.rule) + ": at " + place(broken_.where) + " and at " +
                place(broken_.other));
  if (ended_ < shape.threads) throw fault(who_waits());
}

void machine::thread_body(void* self) {
  auto& all = *static_cast<machine*>(self);
  (*all.kernel_)();
  all.current->state = waiting::ended;
  ++all.ended_;
  auto& mine = all.current->flow;
  auto* const next = all.draw();
  all.current = next;
  mine.finish_into(next == nullptr ? all.home_ : next->flow);
}

/// xorshift64 (Marsaglia, 2003).
std::uint64_t machine::next_lot() {
  lot_ ^= lot_ << 13U;
  lot_ ^= lot_ >> 7U;
  lot_ ^= lot_ << 17U;
  return lot_ >> 16U;
}

/// A ready thread; null if there is none.
thread* machine::draw() {
  if (ready_.empty()) return nullptr;
  if (order_ == turn_order::by_lot) std::swap(ready_[next_lot() % ready_.size()], ready_.back());
  auto* const drawn = ready_.back();
  ready_.pop_back();
  return drawn;
}

/// Leaves the running thread where it is, for another, or for home where none can go on.
void machine::go_on() {
  auto& mine = *current;
  auto* const next = broken_.rule == nullptr ? draw() : nullptr;
  if (next == &mine) return;
  current = next;
  mine.flow.switch_to(next == nullptr ? home_ : next->flow);
}

void machine::give_up(char const* rule, std::source_location where, std::source_location other) {
  broken_ = {rule, where, other};
  go_on();
}

void machine::wait(waiting what, std::source_location where) {
  current->state = what;
  current->where = where;
  go_on();
}

void machine::meet_block(std::source_location where) {
  for (unsigned index = 0; index < shape.threads && at_barrier_ > 0; ++index) {
    auto const& other = *threads_[index];
    if (other.state != waiting::for_block) continue;
    if (!same_place(other.where, where)) give_up("divergent barrier", other.where, where);
    break;
  }
  current->state = waiting::for_block;
  current->where = where;
  if (++at_barrier_ == shape.threads) {
    at_barrier_ = 0;
    for (unsigned index = 0; index < shape.threads; ++index) make_ready(*threads_[index]);
  }
  go_on();
}

void machine::meet_warp(std::uint32_t mask, void* mine, std::size_t bytes, void (*work)(void*, std::uint32_t),
                        std::source_location where) {
  auto const lane = current->index % warp_lanes;
  auto const first = current->index - lane;
  auto& own = warps_[current->index / warp_lanes];
  if ((mask >> lane & 1U) == 0) give_up("a lane outside of its own mask", where, where);
  if (own.mask == 0) {
    own.mask = mask;
    own.where = where;
  }
  if (own.mask != mask || !same_place(own.where, where)) give_up("divergent warp", own.where, where);
  if (bytes > most_bytes_brought) give_up("more brought to a meeting than fits", where, where);
  if (bytes != 0) std::memcpy(own.brought.data() + lane * bytes, mine, bytes);
  own.came |= 1U << lane;
  if (own.came != mask) {
    wait(waiting::for_warp, where);
  } else {
    if (work != nullptr) work(own.brought.data(), mask);
    own.mask = own.came = 0;
    // Nobody can open the next meeting's bytes before all have taken these: it needs the whole mask, too. But
    // the first to go on may bring its own, so each takes its bytes before anyone goes on.
    for (unsigned other = 0; other < warp_lanes; ++other) {
      auto& each = *threads_[first + other];
      if ((mask >> other & 1U) == 0 || other == lane) continue;
      std::memcpy(each.mailbox, own.brought.data() + other * bytes, bytes);
      make_ready(each);
    }
    if (bytes != 0) std::memcpy(mine, own.brought.data() + lane * bytes, bytes);
    make_ready(*current);
    go_on();
    return;
  }
  if (bytes != 0) std::memcpy(mine, current->mailbox, bytes);
}

/// Why a block cannot go on.
std::string machine::who_waits() const {
  for (unsigned index = 0; index < shape.threads; ++index) {
    auto const& each = *threads_[index];
    auto const kind = each.state == waiting::for_block ? "divergent barrier: " : "divergent warp: ";
    if (each.state == waiting::for_block || each.state == waiting::for_warp)
      return kind + std::string("thread ") + std::to_string(index) + " waits at " + place(each.where) +
             " for threads that never come";
  }
  return "a block that neither ends nor waits";
}

} // namespace

void run_grid(launch_shape const& shape, std::function<void()> const& kernel) { here().run(shape, kernel); }
void seed_order(std::uint64_t seed) noexcept { here().seed(seed); }

index3 thread_index() noexcept { return {here().current->index, 0, 0}; }
index3 block_index() noexcept { return here().block; }
index3 block_size() noexcept { return {here().shape.threads, 1, 1}; }
index3 grid_size() noexcept { return here().shape.grid; }
std::byte* shared_bytes() noexcept { return here().shared.get(); }

void meet_block(std::source_location where) { here().meet_block(where); }

void meet_warp(std::uint32_t mask, void* brought, std::size_t bytes, void (*work)(void*, std::uint32_t),
               std::source_location where) {
  here().meet_warp(mask, brought, bytes, work, where);
}

} // namespace mayfly::gpu::emulation
