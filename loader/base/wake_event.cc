#include "loader/base/wake_event.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "loader/base/file.h"

namespace ecf8 {

absl::StatusOr<WakeEvent> WakeEvent::Make() {
  Descriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return ErrnoStatus(errno, "cannot make an eventfd");
  return WakeEvent(std::move(event));
}

void WakeEvent::Signal() const {
  const uint64_t one = 1;
  // A counter that takes no more is one that wakes.
  [[maybe_unused]] const ssize_t written = write(fd(), &one, sizeof(one));
}

void WakeEvent::Clear() const {
  uint64_t signals = 0;
  [[maybe_unused]] const ssize_t taken = read(fd(), &signals, sizeof(signals));
}

}  // namespace ecf8
