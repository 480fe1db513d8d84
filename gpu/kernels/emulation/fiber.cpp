#include "gpu/kernels/emulation/fiber.hpp"

#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#define MAYFLY_TELLS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAYFLY_TELLS_SANITIZER 1
#endif
#endif
#if defined(MAYFLY_TELLS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// MAYFLY_PORTABLE_FIBERS: to try the slow way where the fast one would do.
#if !defined(__x86_64__) || defined(MAYFLY_PORTABLE_FIBERS)
#define MAYFLY_FIBERS_BY_UCONTEXT 1
#include <new>
#include <ucontext.h>
#endif

namespace mayfly::gpu::emulation {
namespace {

// Who left, and who goes on: what a new flow finds out about its coming to be.
thread_local fiber* entering = nullptr;
thread_local fiber* leaving = nullptr;

} // namespace

#if !defined(MAYFLY_FIBERS_BY_UCONTEXT)

// switch_stack(void** save, void* load): pushes what a call must preserve, swaps stacks, pops it again.
extern "C" void mayfly_switch_stack(void** save, void* load) noexcept;
asm(R"(
.text
.p2align 4
.globl mayfly_switch_stack
.hidden mayfly_switch_stack
.type mayfly_switch_stack,@function
mayfly_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mayfly_switch_stack, .-mayfly_switch_stack
)");

namespace {

/// A stack as switch_stack leaves one: six registers, then where to return to. At a function's entry the
/// stack pointer is 8 below a multiple of 16.
void* first_context(std::byte* stack, std::size_t bytes, void (*entry)() noexcept) noexcept {
  auto const top = (reinterpret_cast<std::uintptr_t>(stack) + bytes) & ~std::uintptr_t{15};
  auto* const frame = reinterpret_cast<void**>(top) - 8;
  std::memset(frame, 0, 8 * sizeof(void*));
  auto const address = reinterpret_cast<std::uintptr_t>(entry);
  std::memcpy(frame + 6, &address, sizeof address);
  return frame;
}

void swap_context(void** save, void* load) noexcept { mayfly_switch_stack(save, load); }

} // namespace

#else // any other processor: slower by some system calls a switch

namespace {

void* first_context(std::byte* stack, std::size_t bytes, void (*entry)() noexcept) noexcept {
  auto const place =
      (reinterpret_cast<std::uintptr_t>(stack) + alignof(ucontext_t) - 1) & ~(alignof(ucontext_t) - 1);
  auto* const context = new (reinterpret_cast<void*>(place)) ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack + 2 * sizeof(ucontext_t);
  context->uc_stack.ss_size = bytes - 2 * sizeof(ucontext_t);
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}

void swap_context(void** save, void* load) noexcept {
  thread_local ucontext_t own; // of the thread's own flow
  if (*save == nullptr) *save = &own;
  swapcontext(static_cast<ucontext_t*>(*save), static_cast<ucontext_t*>(load));
}

} // namespace

#endif

void fiber::prepare(std::byte* stack, std::size_t bytes, void (*body)(void*), void* argument) noexcept {
#if defined(MAYFLY_TELLS_SANITIZER)
  ASAN_UNPOISON_MEMORY_REGION(stack, bytes); // frames that were abandoned leave their red zones
#endif
  stack_ = stack;
  stack_bytes_ = bytes;
  body_ = body;
  argument_ = argument;
  fake_stack_ = nullptr;
  context_ = first_context(stack, bytes, &fiber::enter);
}

void fiber::enter() noexcept {
  auto* const self = entering;
  self->arrive();
  self->body_(self->argument_);
}

/// First thing on the new stack.
void fiber::arrive() noexcept {
#if defined(MAYFLY_TELLS_SANITIZER)
  void const* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &bytes);
  if (leaving != nullptr && leaving->stack_ == nullptr) {
    leaving->own_stack_bottom_ = bottom;
    leaving->own_stack_bytes_ = bytes;
  }
#endif
}

void fiber::leave(fiber& next, bool for_good) noexcept {
  entering = &next;
  leaving = this;
#if defined(MAYFLY_TELLS_SANITIZER)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack_,
                                 next.stack_ == nullptr ? next.own_stack_bottom_ : next.stack_,
                                 next.stack_ == nullptr ? next.own_stack_bytes_ : next.stack_bytes_);
#else
  static_cast<void>(for_good);
#endif
  swap_context(&context_, next.context_);
  arrive();
}

void fiber::switch_to(fiber& next) noexcept { leave(next, false); }
void fiber::finish_into(fiber& next) noexcept { leave(next, true); }

} // namespace mayfly::gpu::emulation
