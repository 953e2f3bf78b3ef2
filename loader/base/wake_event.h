// Wakes a thread that polls descriptors.
#ifndef ECF8_LOADER_BASE_WAKE_EVENT_H_
#define ECF8_LOADER_BASE_WAKE_EVENT_H_

#include <utility>

#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"

namespace ecf8 {

// An eventfd. Thread-safe. Movable, as long as nobody uses it.
class WakeEvent {
 public:
  // Errors of ErrnoStatus, where no descriptor is left.
  static absl::StatusOr<WakeEvent> Make();

  // What to poll, for reading.
  int fd() const { return event_.get(); }

  // It can be read from now on, until Clear.
  void Signal() const;
  void Clear() const;

 private:
  explicit WakeEvent(Descriptor event) : event_(std::move(event)) {}

  Descriptor event_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_WAKE_EVENT_H_
