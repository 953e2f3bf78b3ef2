// What happens in directories, told by the kernel (inotify).
//
// An interface, so that tests can have the kernel lose events.
#ifndef ECF8_LOADER_BASE_DIRECTORY_EVENTS_H_
#define ECF8_LOADER_BASE_DIRECTORY_EVENTS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ecf8 {

struct DirectoryEvent {
  enum class Kind : uint8_t {
    kChanged,  // an entry, or with an empty name the directory itself, is new or not as it was
    kGone,     // an entry is not there any more, or not the one that was
    kLost,     // events were lost, of any directory
    kEnded,    // the directory itself is gone: nothing more comes of it
  };
  Kind kind = Kind::kChanged;
  int watch = -1;    // not of kLost
  std::string name;  // of the entry
};

// Thread-compatible, but for Stop.
class DirectoryEvents {
 public:
  virtual ~DirectoryEvents() = default;

  // A number for the directory at `path`, links followed; the same for one that is watched already.
  // The errors of ErrnoStatus; RESOURCE_EXHAUSTED where the kernel watches no more for this user.
  virtual absl::StatusOr<int> Watch(const std::string& path) = 0;
  virtual void Unwatch(int watch) = 0;

  // Waits until something has happened, or until `deadline` where there is one. Empty at the
  // deadline, or once Stop was called.
  virtual std::vector<DirectoryEvent> Read(
      std::optional<std::chrono::steady_clock::time_point> deadline) = 0;

  // From now on Read returns at once. Thread-safe.
  virtual void Stop() = 0;
};

// RESOURCE_EXHAUSTED where the user has no more inotify instances or descriptors.
absl::StatusOr<std::unique_ptr<DirectoryEvents>> OpenDirectoryEvents();

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_DIRECTORY_EVENTS_H_
