// The stream of a session without gRPC: a daemon in the process, which answers when it is told to,
// or on a thread of its own.
#ifndef ECF8_TESTS_RPC_FAKE_SESSION_LINK_H_
#define ECF8_TESTS_RPC_FAKE_SESSION_LINK_H_

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "loader/base/mutex.h"
#include "rpc/session_link.h"

namespace ecf8::testing {

// What the daemon has heard and what it says. Thread-safe; outlives the link.
class FakeSessionDaemon {
 public:
  static constexpr uint32_t kMaxSets = 16;

  // Waits for the next request, until `deadline`.
  std::optional<v1::SessionRequest> Hear(std::chrono::steady_clock::time_point deadline) {
    MutexLock lock(mutex_);
    while (heard_.empty() && !cancelled_) {
      if (!changed_.WaitUntil(lock, deadline)) return std::nullopt;
    }
    if (heard_.empty()) return std::nullopt;
    v1::SessionRequest request = std::move(heard_.front());
    heard_.pop_front();
    return request;
  }

  void Say(v1::SessionResponse response) {
    MutexLock lock(mutex_);
    said_.push_back(std::move(response));
    changed_.NotifyAll();
  }
  void SayOpened() {
    v1::SessionResponse response;
    response.mutable_opened()->set_max_sets(kMaxSets);
    response.mutable_opened()->set_max_units(1024);
    Say(response);
  }
  // Each slot's generation is its unit's number.
  void SayReady(uint64_t set_id, const std::vector<uint32_t>& units) {
    v1::SessionResponse response;
    response.mutable_ready()->set_set_id(set_id);
    for (const uint32_t unit : units) response.mutable_ready()->add_slots()->set_generation(unit);
    Say(response);
  }
  void SayFailed(uint64_t set_id, absl::StatusCode code) {
    v1::SessionResponse response;
    response.mutable_failed()->set_set_id(set_id);
    response.mutable_failed()->mutable_status()->set_code(static_cast<int>(code));
    response.mutable_failed()->mutable_status()->set_message("it failed");
    Say(response);
  }
  void SayPong() {
    v1::SessionResponse response;
    response.mutable_pong();
    Say(response);
  }
  void End(const absl::Status& status) {
    MutexLock lock(mutex_);
    if (!end_) end_ = status;
    changed_.NotifyAll();
  }

  bool cancelled() {
    MutexLock lock(mutex_);
    return cancelled_;
  }

 private:
  friend class FakeSessionLink;

  Mutex mutex_;
  CondVar changed_;
  std::deque<v1::SessionRequest> heard_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::SessionResponse> said_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool written_ ABSL_GUARDED_BY(mutex_) = true;  // that the call has begun is told so
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool polled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

class FakeSessionLink final : public SessionLink {
 public:
  explicit FakeSessionLink(FakeSessionDaemon& daemon) : daemon_(daemon) {}

  Event Next(std::chrono::steady_clock::time_point deadline) override {
    MutexLock lock(daemon_.mutex_);
    EXPECT_FALSE(std::exchange(daemon_.polled_, true)) << "two threads in Next";
    std::optional<Event> event;
    while (!(event = Take())) {
      if (deadline == std::chrono::steady_clock::time_point::max()) {
        daemon_.changed_.Wait(lock);
      } else if (!daemon_.changed_.WaitUntil(lock, deadline) && !(event = Take())) {
        event = Event::kNone;
        break;
      }
      if (event) break;
    }
    daemon_.polled_ = false;
    return *event;
  }

  bool Write(const v1::SessionRequest& request) override {
    MutexLock lock(daemon_.mutex_);
    EXPECT_FALSE(std::exchange(daemon_.writing_, true)) << "two writes at once";
    daemon_.heard_.push_back(request);
    daemon_.written_ = true;
    daemon_.changed_.NotifyAll();
    return false;
  }
  void EndWrites() override {
    MutexLock lock(daemon_.mutex_);
    EXPECT_FALSE(std::exchange(daemon_.writing_, true)) << "two writes at once";
    if (!daemon_.end_) daemon_.end_ = absl::OkStatus();
    daemon_.changed_.NotifyAll();
  }

  const v1::SessionResponse& response() const override { return response_; }
  void Read() override {
    MutexLock lock(daemon_.mutex_);
    EXPECT_FALSE(std::exchange(daemon_.reading_, true)) << "two reads at once";
    EXPECT_FALSE(daemon_.polled_) << "a read beside Next";
  }

  absl::Status status() const override {
    MutexLock lock(daemon_.mutex_);
    return *daemon_.end_;
  }

  void Wake() override {
    MutexLock lock(daemon_.mutex_);
    daemon_.woken_ = true;
    daemon_.changed_.NotifyAll();
  }
  void Cancel() override {
    MutexLock lock(daemon_.mutex_);
    daemon_.cancelled_ = true;
    if (!daemon_.end_) daemon_.end_ = absl::CancelledError("cancelled");
    daemon_.changed_.NotifyAll();
  }

 private:
  std::optional<Event> Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon_.mutex_) {
    if (std::exchange(daemon_.woken_, false)) return Event::kWoken;
    if (std::exchange(daemon_.written_, false)) {
      daemon_.writing_ = false;
      return Event::kWritten;
    }
    if (daemon_.reading_ && !daemon_.said_.empty()) {
      daemon_.reading_ = false;
      response_ = std::move(daemon_.said_.front());
      daemon_.said_.pop_front();
      return Event::kRead;
    }
    if (daemon_.end_ && !std::exchange(daemon_.ended_, true)) return Event::kEnded;
    return std::nullopt;
  }

  FakeSessionDaemon& daemon_;
  v1::SessionResponse response_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_FAKE_SESSION_LINK_H_
