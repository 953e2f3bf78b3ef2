// How long a call may take, and how it is ended from another thread.
#ifndef ECF8_CALL_OPTIONS_H_
#define ECF8_CALL_OPTIONS_H_

#include <chrono>
#include <memory>

#include "ecf8/export.h"

namespace ecf8 {

// Ends the calls that it was given to, those under way and those to come, with CANCELLED.
// Thread-safe. Copies are one and the same.
class ECF8_EXPORT Cancellation {
 public:
  Cancellation();
  ~Cancellation();
  Cancellation(const Cancellation&);
  Cancellation& operator=(const Cancellation&);

  // Not for signal handlers: it takes locks.
  void Cancel() const;
  bool cancelled() const;

 private:
  friend class CallOptionsAccess;
  struct State;
  std::shared_ptr<State> state_;
};

struct CallOptions {
  // From the call's beginning; then it ends with DEADLINE_EXCEEDED. 0: no limit.
  std::chrono::milliseconds timeout{0};
  const Cancellation* cancellation = nullptr;  // may be null; outlives the call
};

}  // namespace ecf8

#endif  // ECF8_CALL_OPTIONS_H_
