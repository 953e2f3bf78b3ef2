#include "tools/ecf8d/signals.h"

#include <csignal>
#include <ctime>

namespace ecf8 {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

sigset_t AllSignals() {
  sigset_t set = StopSignals();
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = AllSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int WaitForSignal() {
  const sigset_t set = AllSignals();
  int signal_number = -1;
  while (signal_number < 0) signal_number = sigwaitinfo(&set, nullptr);  // EINTR: a debugger
  return signal_number;
}

bool TakeStopSignal() {
  const sigset_t set = StopSignals();
  const timespec no_time = {};
  return sigtimedwait(&set, nullptr, &no_time) > 0;
}

}  // namespace ecf8
