#include "loader/base/directory_events.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/descriptor.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kGone = IN_DELETE | IN_MOVED_FROM;
constexpr uint32_t kMask =
    kGone | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr size_t kBufferBytes = 64 << 10;

class Inotify final : public DirectoryEvents {
 public:
  Inotify(Descriptor events, Descriptor stop)
      : events_(std::move(events)), stop_(std::move(stop)) {}

  absl::StatusOr<int> Watch(const std::string& path) override {
    const int watch = inotify_add_watch(events_.get(), path.c_str(), kMask | IN_ONLYDIR);
    if (watch >= 0) return watch;
    if (errno == ENOSPC) {
      return absl::ResourceExhaustedError(
          "no more directories can be watched: raise fs.inotify.max_user_watches");
    }
    return ErrnoStatus(errno, absl::StrCat("cannot watch ", Quoted(path)));
  }

  void Unwatch(int watch) override { inotify_rm_watch(events_.get(), watch); }

  std::vector<DirectoryEvent> Read(std::optional<Clock::time_point> deadline) override {
    std::array<pollfd, 2> waits{pollfd{stop_.get(), POLLIN, 0}, pollfd{events_.get(), POLLIN, 0}};
    int timeout_ms = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
      timeout_ms = static_cast<int>(std::max<int64_t>(0, left.count()));
    }
    if (poll(waits.data(), waits.size(), timeout_ms) <= 0 || waits[0].revents != 0) return {};
    const ssize_t size = read(events_.get(), buffer_.data(), buffer_.size());
    std::vector<DirectoryEvent> events;
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer_.data() + at, sizeof(event));
      const char* const name = buffer_.data() + at + sizeof(event);
      at += static_cast<ssize_t>(sizeof(event) + event.len);
      events.push_back(
          {KindOf(event.mask), event.wd, event.len == 0 ? std::string() : std::string(name)});
    }
    return events;
  }

  void Stop() override { eventfd_write(stop_.get(), 1); }

 private:
  static DirectoryEvent::Kind KindOf(uint32_t mask) {
    if ((mask & IN_Q_OVERFLOW) != 0) return DirectoryEvent::Kind::kLost;
    if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0) {
      return DirectoryEvent::Kind::kEnded;
    }
    return (mask & kGone) != 0 ? DirectoryEvent::Kind::kGone : DirectoryEvent::Kind::kChanged;
  }

  const Descriptor events_;
  const Descriptor stop_;
  std::array<char, kBufferBytes> buffer_{};
};

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryEvents>> OpenDirectoryEvents() {
  Descriptor events(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!events) return ErrnoStatus(errno, "cannot watch directories");
  Descriptor stop(eventfd(0, EFD_CLOEXEC));
  if (!stop) return ErrnoStatus(errno, "cannot watch directories");
  return std::make_unique<Inotify>(std::move(events), std::move(stop));
}

}  // namespace ecf8
