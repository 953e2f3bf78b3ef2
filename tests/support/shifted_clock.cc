// Preloaded into a program (LD_PRELOAD), whose wall clock is then off by as many seconds as the
// file that ECF8_SHIFTED_CLOCK names says: a text, looked at each time, so that the clock can be
// set while the program runs.
//
// The steady clock stays as it is, and so does the kernel: times that it is told are shifted back.

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdlib>
#include <ctime>

namespace {

template <typename Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

time_t Shift() {
  static const int fd = [] {
    const char* const path = std::getenv("ECF8_SHIFTED_CLOCK");
    return path != nullptr ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  }();
  char text[32] = {};
  if (pread(fd, text, sizeof(text) - 1, 0) <= 0) return 0;
  return std::atol(text);
}

bool IsWallClock(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const auto real = Real<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, now);
  if (result == 0 && IsWallClock(clock)) now->tv_sec += Shift();
  return result;
}

int gettimeofday(timeval* now, void* zone) noexcept {
  static const auto real = Real<int (*)(timeval*, void*)>("gettimeofday");
  const int result = real(now, zone);
  if (result == 0) now->tv_sec += Shift();
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* until) {
  static const auto real =
      Real<int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  timespec unshifted = *until;
  unshifted.tv_sec -= Shift();
  return real(condition, mutex, &unshifted);
}

// Abseil's and gRPC's waits.
long syscall(long number, ...) noexcept {
  static const auto real = Real<long (*)(long, ...)>("syscall");
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  timespec unshifted{};
  if (number == SYS_futex && (arguments[1] & FUTEX_CLOCK_REALTIME) != 0 && arguments[3] != 0) {
    unshifted = *reinterpret_cast<const timespec*>(arguments[3]);
    unshifted.tv_sec -= Shift();
    arguments[3] = reinterpret_cast<long>(&unshifted);
  }
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

}  // extern "C"
