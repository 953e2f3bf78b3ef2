// A session, and what it leases, as Python holds them.
#ifndef ECF8_PYTHON_SRC_NATIVE_SESSION_H_
#define ECF8_PYTHON_SRC_NATIVE_SESSION_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ecf8/client.h"
#include "loader/base/mutex.h"
#include "python/src/native/page_guard.h"

namespace ecf8::python {

// 0: no limit.
CallOptions Within(int64_t timeout_ms);

// What is leased, and its memory, which stays mapped as long as any array of it lives. Of one
// thread at a time, which the GIL sees to.
class LeaseHolder {
 public:
  // `guard` may be null.
  LeaseHolder(Lease lease, std::shared_ptr<PageGuard> guard);
  LeaseHolder(const LeaseHolder&) = delete;
  LeaseHolder& operator=(const LeaseHolder&) = delete;
  ~LeaseHolder();

  bool leased() const { return lease_.size() > 0; }
  size_t size() const { return lease_.size(); }
  const UnitInfo& unit(size_t i) const { return lease_.unit(i); }
  absl::Span<const uint8_t> bytes(size_t i) const { return lease_.bytes(i); }
  // Keeps the bytes mapped.
  const std::shared_ptr<const void>& mapping() const { return mapping_; }
  absl::Status Check() const { return lease_.Check(); }
  absl::Status Release(const CallOptions& options);
  // Releases it, and asks for others in the same message.
  absl::StatusOr<PendingLease> Exchange(ClientSession& session, const std::vector<uint32_t>& units,
                                        const CallOptions& options);

 private:
  void LetGo();

  Lease lease_;
  std::shared_ptr<const void> mapping_;
  std::shared_ptr<PageGuard> guard_;
  std::vector<absl::Span<const uint8_t>> guarded_;
};

// What was asked for and has not come yet. Of one thread at a time.
struct PendingHolder {
  PendingHolder(PendingLease of, std::shared_ptr<PageGuard> protection)
      : pending(std::move(of)), guard(std::move(protection)) {}
  PendingHolder(const PendingHolder&) = delete;
  PendingHolder& operator=(const PendingHolder&) = delete;
  // Gives it up, without the GIL, which the caller holds: the daemon is to be told.
  ~PendingHolder();

  PendingLease pending;
  std::shared_ptr<PageGuard> guard;  // may be null
};

// Thread-safe.
class SessionHolder {
 public:
  SessionHolder(ClientSession session, bool protects)
      : session_(std::make_shared<ClientSession>(std::move(session))),
        guard_(protects ? std::make_shared<PageGuard>() : nullptr) {}

  // INVALID_ARGUMENT where it was closed.
  absl::StatusOr<std::shared_ptr<ClientSession>> session() const;
  const std::shared_ptr<PageGuard>& guard() const { return guard_; }

  // Ends it; calls that wait return. What is leased stays mapped, and is leased no more.
  void Close();

 private:
  mutable Mutex mutex_;
  std::shared_ptr<ClientSession> session_ ABSL_GUARDED_BY(mutex_);  // null: closed
  const std::shared_ptr<PageGuard> guard_;
};

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_SESSION_H_
