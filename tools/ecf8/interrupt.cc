#include "tools/ecf8/interrupt.h"

#include <semaphore.h>

#include <cerrno>
#include <csignal>

namespace ecf8 {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

// Posted by the first signal, and when the watcher ends.
sem_t* NewsSemaphore() {
  static sem_t* const news = [] {
    static sem_t semaphore;
    sem_init(&semaphore, /*pshared=*/0, 0);
    return &semaphore;
  }();
  return news;
}

void OnSignal(int signal_number) {
  if (!interrupted.exchange(true)) {
    const int saved = errno;
    sem_post(NewsSemaphore());
    errno = saved;
    return;
  }
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);  // delivered when this handler returns
}

}  // namespace

const std::atomic<bool>* InstallInterruptHandler() {
  NewsSemaphore();  // made before a handler needs it
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // jobs look at the flag; their system calls go on
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return &interrupted;
}

InterruptWatcher::InterruptWatcher()
    : thread_([this] {
        while (sem_wait(NewsSemaphore()) != 0) {  // EINTR
        }
        if (interrupted) source_.request_stop();
      }) {}

InterruptWatcher::~InterruptWatcher() {
  sem_post(NewsSemaphore());
  thread_.join();
}

}  // namespace ecf8
