// A clock that only moves when it is told to, for simulations that take seconds instead of hours
// and run the same way every time.
//
//   VirtualTime time;
//   FaultyBlockReader reader(options, time, sink);
//   FakeDevice device(options, time);
//   while (!pipeline.Idle() && time.RunNext()) pipeline.Advance();
#ifndef ECF8_TESTS_SUPPORT_VIRTUAL_TIME_H_
#define ECF8_TESTS_SUPPORT_VIRTUAL_TIME_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace ecf8::testing {

// Not thread-safe: a simulation is one thread.
class VirtualTime {
 public:
  // Runs `function` at now_us() + delay_us. Those of the same moment run in the order of At.
  void At(uint64_t delay_us, std::function<void()> function) {
    events_.emplace(now_us_ + delay_us, std::move(function));
  }

  // Moves the clock to the next event and runs it; it may call At. False when there is none.
  bool RunNext() {
    if (events_.empty()) return false;
    auto event = events_.extract(events_.begin());
    now_us_ = event.key();
    event.mapped()();
    return true;
  }

  void RunUntilIdle() {
    while (RunNext()) {
    }
  }

  uint64_t now_us() const { return now_us_; }
  bool idle() const { return events_.empty(); }

 private:
  uint64_t now_us_ = 0;
  // A multimap keeps the order of insertion among equal keys.
  std::multimap<uint64_t, std::function<void()>> events_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_VIRTUAL_TIME_H_
