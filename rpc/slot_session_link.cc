#include "rpc/slot_session_link.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <string_view>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/mutex.h"
#include "loader/base/wake_event.h"
#include "rpc/step_pipe.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

// As gRPC's clients take by default.
constexpr size_t kMaxResponseBytes = size_t{4} << 20;

class SlotSessionLink final : public SessionLink {
 public:
  SlotSessionLink(std::unique_ptr<SessionLink> call, std::shared_ptr<const SlotMapping> mapping,
                  WakeEvent wake)
      : mapping_(std::move(mapping)),
        call_(std::move(call)),
        wake_(std::move(wake)),
        pipe_(mapping_->connection(), kMaxResponseBytes) {}

  Event Next(Clock::time_point deadline) override {
    while (over_slots_) {
      if (const std::optional<Event> event = NextOfSlots(deadline)) return *event;
    }
    const Event event = call_->Next(deadline);
    if (event == Event::kWritten) {
      call_writes_ = false;
      if (reads_slots_) Move();
    }
    return event;
  }

  bool Write(const v1::SessionRequest& request) override {
    if (!over_slots_) {
      call_writes_ = true;
      return call_->Write(request);
    }
    MutexLock lock(mutex_);
    pipe_.Put(request);
    const StepPipe::State state = pipe_.Flush();
    if (state == StepPipe::State::kOpen) return true;
    // Next sees to the rest of it, or to the end.
    is_blocked_ = true;
    wake_.Signal();
    return false;
  }

  void EndWrites() override {
    // How the session ends the call tells.
    ends_ = true;
    over_slots_ = false;
    call_->EndWrites();
    wake_.Signal();
  }

  const v1::SessionResponse& response() const override {
    return reads_slots_ ? response_ : call_->response();
  }

  void Read() override {
    if (reads_slots_) return;
    reads_slots_ = call_->response().opened().over_slot_socket();
    call_->Read();
    if (reads_slots_ && !call_writes_) Move();
  }

  absl::Status status() const override { return call_->status(); }

  void Wake() override {
    // Both: Next may just be changing from one to the other.
    woken_ = true;
    wake_.Signal();
    call_->Wake();
  }

  void Cancel() override {
    ends_ = true;
    over_slots_ = false;
    call_->Cancel();
    wake_.Signal();
  }

 private:
  // That `opened` has come, and that the request for it is written, are told in any order.
  void Move() {
    over_slots_ = true;
    if (ends_) over_slots_ = false;
  }

  // Nothing: look again.
  std::optional<Event> NextOfSlots(Clock::time_point deadline) {
    if (TakeResponse()) return Event::kRead;
    if (!over_slots_) return std::nullopt;
    std::array<pollfd, 2> set = {{{mapping_->connection(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}}};
    {
      MutexLock lock(mutex_);
      if (is_blocked_) set[0].events |= POLLOUT;
    }
    if (!Poll(set, deadline)) return Event::kNone;
    if (set[1].revents != 0) wake_.Clear();
    if (woken_.exchange(false)) return Event::kWoken;
    if ((set[0].revents & POLLOUT) != 0) {
      if (const std::optional<Event> event = FlushRest()) return event;
    }
    if ((set[0].revents & ~POLLOUT) != 0 && pipe_.Receive() == StepPipe::State::kBroken) {
      over_slots_ = false;  // the session has ended: the call tells how
    }
    return std::nullopt;
  }

  bool TakeResponse() {
    std::string_view message;
    const StepPipe::State state = pipe_.Next(&message);
    if (state == StepPipe::State::kBroken) Cancel();  // no daemon says that
    if (state != StepPipe::State::kOpen) return false;
    // What cannot be read says nothing, which the daemon never does.
    if (!response_.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      response_.Clear();
    }
    return true;
  }

  std::optional<Event> FlushRest() {
    MutexLock lock(mutex_);
    if (!is_blocked_) return std::nullopt;
    const StepPipe::State state = pipe_.Flush();
    if (state == StepPipe::State::kBlocked) return std::nullopt;
    is_blocked_ = false;
    if (state == StepPipe::State::kOpen) return Event::kWritten;
    over_slots_ = false;
    return std::nullopt;
  }

  // False: the deadline has passed.
  static bool Poll(std::array<pollfd, 2>& set, Clock::time_point deadline) {
    timespec left = {};
    if (deadline != Clock::time_point::max()) {
      const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::max(deadline - Clock::now(), Clock::duration::zero()))
                             .count();
      left = {nanos / 1'000'000'000, nanos % 1'000'000'000};
    }
    const int ready = ppoll(set.data(), set.size(),
                            deadline == Clock::time_point::max() ? nullptr : &left, nullptr);
    if (ready > 0) return true;
    for (pollfd& polled : set) polled.revents = 0;
    return ready < 0;
  }

  const std::shared_ptr<const SlotMapping> mapping_;
  const std::unique_ptr<SessionLink> call_;
  const WakeEvent wake_;
  std::atomic<bool> over_slots_ = false;   // steps; until the end is near
  std::atomic<bool> call_writes_ = false;  // and kWritten has not come
  std::atomic<bool> ends_ = false;
  std::atomic<bool> woken_ = false;
  bool reads_slots_ = false;  // since `opened`; as response() and Read
  v1::SessionResponse response_;
  StepPipe pipe_;

  // Of the pipe's way out.
  Mutex mutex_;
  bool is_blocked_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionLink>> MakeSlotSessionLink(
    std::unique_ptr<SessionLink> call, std::shared_ptr<const SlotMapping> mapping) {
  ECF8_ASSIGN_OR_RETURN(WakeEvent wake, WakeEvent::Make());
  return std::make_unique<SlotSessionLink>(std::move(call), std::move(mapping), std::move(wake));
}

}  // namespace ecf8
