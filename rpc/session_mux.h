// The calls of many threads over the one stream of a session.
//
// There is no thread of its own: of those who wait, one waits for the stream's next event and does
// what it asks for, all others for what that changes. While nobody waits for an answer, none is
// looked at.
#ifndef ECF8_RPC_SESSION_MUX_H_
#define ECF8_RPC_SESSION_MUX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ecf8/v1/session.pb.h"
#include "loader/base/mutex.h"
#include "rpc/call_limits.h"
#include "rpc/session_link.h"

namespace ecf8 {

// Thread-safe. Where the stream has ended, every call says why; CANCELLED and DEADLINE_EXCEEDED are
// of the call alone, and leave the session as it was.
class SessionMux {
 public:
  explicit SessionMux(std::unique_ptr<SessionLink> link) : link_(std::move(link)) {}
  SessionMux(const SessionMux&) = delete;
  SessionMux& operator=(const SessionMux&) = delete;

  // The first call, and once.
  absl::StatusOr<v1::SessionOpened> Open(const v1::SessionRequest& request,
                                         const CallLimits& limits);

  // Asks for a set, which WaitForSet or GiveUp has to end, under the number that this returns.
  // RESOURCE_EXHAUSTED where the session has as many as it may. A `release_set_id` other than 0 is
  // released in the same message, but where this fails.
  absl::StatusOr<uint64_t> StartSet(const std::vector<uint32_t>& units, const CallLimits& limits,
                                    uint64_t release_set_id = 0);

  // Its answer; it is to be released. An error other than of the limits is the set's end.
  absl::StatusOr<v1::SetReady> WaitForSet(uint64_t set_id, const CallLimits& limits);

  // Of a set that is waited for: nobody wants it any more.
  absl::Status GiveUp(uint64_t set_id, const CallLimits& limits);

  absl::Status Release(uint64_t set_id, const CallLimits& limits);

  // Anything that has no answer.
  absl::Status Send(const v1::SessionRequest& request, const CallLimits& limits);

  // There and back.
  absl::Status Ping(const CallLimits& limits);

  // Not OK: the stream has ended so. Looks at what has come, and does not wait.
  absl::Status status();

  // An orderly end: what was said last is heard, and the daemon has given everything back.
  void Close(const CallLimits& limits);

  // Ends the stream now: calls that wait return.
  void Cancel() { link_->Cancel(); }

 private:
  enum class Stage : uint8_t { kAsked, kAnswered, kLeased, kGivenUp };

  struct Set {
    Stage stage = Stage::kAsked;
    v1::SessionResponse answer{};  // kAnswered
  };

  // Waits until `done`, which is called with the lock, returns true. The limits end the waiting
  // only where there is nothing more to be looked at.
  absl::Status Await(const CallLimits& limits, absl::FunctionRef<bool()> done);
  void Handle(SessionLink::Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandleResponse(const v1::SessionResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandleAnswer(uint64_t set_id, const v1::SessionResponse& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Begins to send, if nothing else is being sent.
  bool TryWrite(const v1::SessionRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The daemon does not keep the protocol.
  void Break(const char* what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<SessionLink> link_;

  Mutex mutex_;
  CondVar changed_;
  bool polling_ ABSL_GUARDED_BY(mutex_) = false;  // a thread is in link_->Next
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;   // until the stream has begun
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;     // kEnded has come
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);    // not OK: why nothing more is done
  bool has_opened_ ABSL_GUARDED_BY(mutex_) = false;
  v1::SessionOpened opened_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_set_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Set> sets_ ABSL_GUARDED_BY(mutex_);
  uint64_t pings_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t pongs_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ecf8

#endif  // ECF8_RPC_SESSION_MUX_H_
