#pragma once
// Threads that switch by hand, all on one thread of the machine: the emulator runs every thread of a block as
// one. A switch saves the registers that a call must keep (System V ABI) and changes the stack.
#include <cstddef>

namespace mayfly::gpu::emulation {

/// One flow of control. `switch_to` leaves the running one where it is and goes on in another.
/// AddressSanitizer is told of every switch.
class fiber {
public:
  /// The flow of whoever constructs it: something to come back to.
  fiber() noexcept = default;
  fiber(fiber const&) = delete;
  fiber& operator=(fiber const&) = delete;

  /// Makes this a new flow that will call `body(argument)` on the given stack. `body` must not return: it
  /// ends with `finish_into`.
  void prepare(std::byte* stack, std::size_t bytes, void (*body)(void*), void* argument) noexcept;

  /// Goes on in `next`; returns when somebody switches back to this, the running one.
  void switch_to(fiber& next) noexcept;

  /// Ends this, the running flow, and goes on in `next`. Not [[noreturn]]: sanitizers would unpoison a stack
  /// that is not theirs.
  void finish_into(fiber& next) noexcept;

private:
  static void enter() noexcept;
  void arrive() noexcept;
  void leave(fiber& next, bool for_good) noexcept;

  void* context_ = nullptr; ///< the saved stack pointer, or a ucontext_t within the stack
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::byte* stack_ = nullptr; ///< null: the thread's own
  std::size_t stack_bytes_ = 0;
  void* fake_stack_ = nullptr;             ///< AddressSanitizer's
  void const* own_stack_bottom_ = nullptr; ///< of a flow that was not prepared, once known
  std::size_t own_stack_bytes_ = 0;
};

} // namespace mayfly::gpu::emulation
