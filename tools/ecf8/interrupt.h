// ^C in two steps: the first asks the command to stop, the second kills.
#ifndef ECF8_TOOLS_ECF8_INTERRUPT_H_
#define ECF8_TOOLS_ECF8_INTERRUPT_H_

#include <atomic>
#include <stop_token>
#include <thread>

namespace ecf8 {

// Installs handlers of SIGINT and SIGTERM and returns the flag that the first of them sets. The
// second signal, of either kind, has its default effect.
const std::atomic<bool>* InstallInterruptHandler();

// Requests a stop at the first of those signals: a handler may not. To be made after the handlers
// are installed; there is one.
class InterruptWatcher {
 public:
  InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;
  ~InterruptWatcher();

  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_INTERRUPT_H_
