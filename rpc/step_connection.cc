#include "rpc/step_connection.h"

#include <poll.h>

#include <string_view>

namespace ecf8 {

short StepConnection::events() const { return is_blocked_ ? POLLOUT : POLLIN; }

bool StepConnection::Serve(SessionSteps& steps, bool is_readable) {
  // Blocked, it is readable where it is closed.
  if (is_readable && pipe_.Receive() == StepPipe::State::kBroken) return false;
  while (true) {
    const StepPipe::State state = pipe_.Flush();
    if (state == StepPipe::State::kBroken) return false;
    is_blocked_ = state == StepPipe::State::kBlocked;
    if (is_blocked_) return true;
    if (steps.TakeStep(&response_)) {
      pipe_.Put(response_);
      continue;
    }
    std::string_view message;
    const StepPipe::State next = pipe_.Next(&message);
    if (next != StepPipe::State::kOpen) return next == StepPipe::State::kBlocked;
    if (!steps.OnStep(message)) return false;
  }
}

}  // namespace ecf8
