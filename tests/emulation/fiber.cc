#include "tests/emulation/fiber.h"

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <utility>

#include "tests/support/sanitizer.h"

#if ECF8_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace ecf8::emulation {
namespace {

// The fiber that was left last, for what AddressSanitizer tells about its stack.
Fiber* left = nullptr;

}  // namespace

Fiber::Fiber() = default;

Fiber::Fiber(size_t stack_bytes)
    : stack_(new char[stack_bytes]), stack_bottom_(stack_.get()), stack_bytes_(stack_bytes) {}

Fiber::~Fiber() = default;

void Fiber::Restart(std::function<void()> body) {
  body_ = std::move(body);
  fake_stack_ = nullptr;
#if ECF8_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(stack_.get(), stack_bytes_);
#endif
  if (getcontext(&context_) != 0) std::abort();
  context_.uc_stack.ss_sp = stack_.get();
  context_.uc_stack.ss_size = stack_bytes_;
  context_.uc_link = nullptr;
  // makecontext passes ints.
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::Enter), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

void Fiber::Enter(unsigned high, unsigned low) {
  auto* self = reinterpret_cast<Fiber*>(static_cast<uintptr_t>(high) << 32 | low);
  self->AfterSwitch();
  self->body_();
  std::abort();
}

void Fiber::Switch(Fiber* from, Fiber* to) {
  left = from;
#if ECF8_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(&from->fake_stack_, to->stack_bottom_, to->stack_bytes_);
#endif
  if (swapcontext(&from->context_, &to->context_) != 0) std::abort();
  from->AfterSwitch();
}

// On the stack of `this`, just switched to.
void Fiber::AfterSwitch() {
#if ECF8_ADDRESS_SANITIZER
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &bytes);
  // Where the caller's own stack is, only the first to come from it learns.
  if (left->stack_ == nullptr) {
    left->stack_bottom_ = bottom;
    left->stack_bytes_ = bytes;
  }
#endif
}

}  // namespace ecf8::emulation
