// Functions that can be left in the middle and gone on with: a thread of an emulated GPU is one.
#ifndef ECF8_TESTS_EMULATION_FIBER_H_
#define ECF8_TESTS_EMULATION_FIBER_H_

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace ecf8::emulation {

// A stack of its own and where it stands. All fibers run on one thread of the system.
class Fiber {
 public:
  Fiber();  // the caller's own stack: to switch back to
  // Runs `body` when it is first switched to. `body` must not return: it switches away for good.
  explicit Fiber(size_t stack_bytes);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Begins anew with `body`, whatever it did before. What was on its stack is not destroyed.
  void Restart(std::function<void()> body);

  // Leaves `from`, which must be what runs, and goes on with `to`.
  static void Switch(Fiber* from, Fiber* to);

 private:
  static void Enter(unsigned high, unsigned low);
  void AfterSwitch();

  ucontext_t context_;
  std::unique_ptr<char[]> stack_;  // null: the caller's
  const void* stack_bottom_ = nullptr;
  size_t stack_bytes_ = 0;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  std::function<void()> body_;
};

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_FIBER_H_
