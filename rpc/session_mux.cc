#include "rpc/session_mux.h"

#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/model/error_info.h"
#include "rpc/error_status.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;
using Event = SessionLink::Event;

absl::Status FailureOf(const v1::SetFailed& failed) {
  const v1::RpcStatus& status = failed.status();
  const absl::Status failure = FromGrpcStatus(grpc::Status(
      static_cast<grpc::StatusCode>(status.code()), status.message(), status.SerializeAsString()));
  if (!failure.ok()) return failure;
  return absl::DataLossError("the daemon's session: a set has failed without a reason");
}

absl::Status NotWaitedFor(uint64_t set_id) {
  return absl::InvalidArgumentError("set " + std::to_string(set_id) + " is not waited for");
}

}  // namespace

absl::Status SessionMux::Await(const CallLimits& limits, absl::FunctionRef<bool()> done) {
  // Wakes the one that waits for the stream, which tells all others. None has looked at the stop
  // and not yet begun to wait: both are done with the lock.
  const std::stop_callback on_stop(limits.stop, [this] { link_->Wake(); });
  bool expired = false;
  while (true) {
    {
      MutexLock lock(mutex_);
      if (done()) return absl::OkStatus();
      if (!ended_.ok()) return ended_;
      if (expired || limits.stop.stop_requested()) return LimitReached(limits);
      if (polling_) {
        if (limits.deadline == Clock::time_point::max()) {
          changed_.Wait(lock);
        } else {
          expired = !changed_.WaitUntil(lock, limits.deadline);
        }
        continue;
      }
      polling_ = true;
    }
    const Event event = link_->Next(limits.deadline);
    expired = event == Event::kNone;
    {
      MutexLock lock(mutex_);
      polling_ = false;
      Handle(event);
    }
    changed_.NotifyAll();
  }
}

void SessionMux::Handle(Event event) {
  switch (event) {
    case Event::kNone:
    case Event::kWoken:
      break;
    case Event::kWritten:
      writing_ = false;
      break;
    case Event::kRead:
      HandleResponse(link_->response());
      link_->Read();
      break;
    case Event::kEnded:
      ends_ = true;
      if (!ended_.ok()) break;
      ended_ = link_->status();
      if (ended_.ok()) ended_ = absl::UnavailableError("the daemon has ended the session");
      break;
  }
}

void SessionMux::HandleResponse(const v1::SessionResponse& response) {
  switch (response.response_case()) {
    case v1::SessionResponse::kOpened:
      if (std::exchange(has_opened_, true)) return Break("it was opened twice");
      opened_ = response.opened();
      break;
    case v1::SessionResponse::kReady:
      return HandleAnswer(response.ready().set_id(), response);
    case v1::SessionResponse::kFailed:
      return HandleAnswer(response.failed().set_id(), response);
    case v1::SessionResponse::kPong:
      if (pongs_++ == pings_) Break("a pong without a ping");
      break;
    case v1::SessionResponse::RESPONSE_NOT_SET:
      return Break("a response that says nothing");
  }
}

void SessionMux::HandleAnswer(uint64_t set_id, const v1::SessionResponse& answer) {
  const auto found = sets_.find(set_id);
  if (found == sets_.end()) return Break("an answer that nobody asked for");
  Set& set = found->second;
  if (set.stage == Stage::kGivenUp) {
    sets_.erase(found);  // the daemon has heard of it, or will
  } else if (set.stage == Stage::kAsked) {
    set.stage = Stage::kAnswered;
    set.answer = answer;
  } else {
    Break("a set was answered twice");
  }
}

void SessionMux::Break(const char* what) {
  if (ended_.ok()) ended_ = absl::DataLossError("the daemon's session: " + std::string(what));
  link_->Cancel();
}

bool SessionMux::TryWrite(const v1::SessionRequest& request) {
  if (writing_ || !ended_.ok()) return false;
  writing_ = !link_->Write(request);
  return true;
}

absl::Status SessionMux::Send(const v1::SessionRequest& request, const CallLimits& limits) {
  return Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return TryWrite(request); });
}

absl::StatusOr<v1::SessionOpened> SessionMux::Open(const v1::SessionRequest& request,
                                                   const CallLimits& limits) {
  ECF8_RETURN_IF_ERROR(Send(request, limits));
  ECF8_RETURN_IF_ERROR(
      Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return has_opened_; }));
  MutexLock lock(mutex_);
  return opened_;
}

absl::StatusOr<uint64_t> SessionMux::StartSet(const std::vector<uint32_t>& units,
                                              const CallLimits& limits, uint64_t release_set_id) {
  v1::SessionRequest request;
  request.mutable_acquire()->mutable_units()->Add(units.begin(), units.end());
  if (release_set_id != 0) request.mutable_acquire()->add_release_set_ids(release_set_id);
  uint64_t set_id = 0;  // 0: there were too many
  const auto start = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t released = release_set_id != 0 ? 1 : 0;
    if (sets_.size() - released >= opened_.max_sets()) return true;
    request.mutable_acquire()->set_set_id(last_set_id_ + 1);
    if (!TryWrite(request)) return false;
    if (release_set_id != 0) sets_.erase(release_set_id);
    set_id = ++last_set_id_;
    sets_[set_id];
    return true;
  };
  ECF8_RETURN_IF_ERROR(Await(limits, start));
  if (set_id != 0) return set_id;
  ECF8_RETURN_IF_ERROR(status());  // answers that have come may have ended some
  ECF8_RETURN_IF_ERROR(Await(limits, start));
  if (set_id != 0) return set_id;
  return WithErrorInfo(absl::ResourceExhaustedError("the session has as many sets as it may, "
                                                    "leased or asked for: release one first"),
                       {.reason = ErrorReason::kOverloaded});
}

absl::StatusOr<v1::SetReady> SessionMux::WaitForSet(uint64_t set_id, const CallLimits& limits) {
  std::optional<v1::SessionResponse> answer;
  bool is_known = true;
  ECF8_RETURN_IF_ERROR(Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = sets_.find(set_id);
    is_known = found != sets_.end() && found->second.stage <= Stage::kAnswered;
    if (!is_known) return true;
    if (found->second.stage != Stage::kAnswered) return false;
    answer = std::move(found->second.answer);
    if (answer->has_ready()) {
      found->second.stage = Stage::kLeased;
    } else {
      sets_.erase(found);
    }
    return true;
  }));
  if (!is_known) return NotWaitedFor(set_id);
  if (answer->has_failed()) return FailureOf(answer->failed());
  return std::move(*answer->mutable_ready());
}

absl::Status SessionMux::GiveUp(uint64_t set_id, const CallLimits& limits) {
  v1::SessionRequest cancel;
  cancel.mutable_cancel()->set_set_id(set_id);
  v1::SessionRequest release;
  release.mutable_release()->set_set_id(set_id);
  bool is_known = true;
  ECF8_RETURN_IF_ERROR(Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = sets_.find(set_id);
    is_known = found != sets_.end() && found->second.stage <= Stage::kAnswered;
    if (!is_known) return true;
    if (found->second.stage == Stage::kAsked) {
      if (!TryWrite(cancel)) return false;
      found->second.stage = Stage::kGivenUp;
      return true;
    }
    if (found->second.answer.has_ready() && !TryWrite(release)) return false;
    sets_.erase(found);
    return true;
  }));
  return is_known ? absl::OkStatus() : NotWaitedFor(set_id);
}

absl::Status SessionMux::Release(uint64_t set_id, const CallLimits& limits) {
  v1::SessionRequest request;
  request.mutable_release()->set_set_id(set_id);
  return Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!TryWrite(request)) return false;
    sets_.erase(set_id);
    return true;
  });
}

absl::Status SessionMux::Ping(const CallLimits& limits) {
  v1::SessionRequest request;
  request.mutable_ping();
  uint64_t number = 0;
  ECF8_RETURN_IF_ERROR(Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!TryWrite(request)) return false;
    number = ++pings_;
    return true;
  }));
  return Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return pongs_ >= number; });
}

absl::Status SessionMux::status() {
  const absl::Status looked = Await({.deadline = Clock::now()}, [] { return false; });
  return absl::IsDeadlineExceeded(looked) ? absl::OkStatus() : looked;
}

void SessionMux::Close(const CallLimits& limits) {
  bool asked = false;
  const absl::Status closed = Await(limits, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!asked && !writing_ && ended_.ok()) {
      asked = writing_ = true;
      link_->EndWrites();
    }
    return ends_;
  });
  // Ended otherwise, or not in time: then at once.
  if (!closed.ok()) link_->Cancel();
}

}  // namespace ecf8
