// How a client's calls end before their time.
#ifndef ECF8_RPC_CALL_ENDS_H_
#define ECF8_RPC_CALL_ENDS_H_

#include <atomic>
#include <chrono>
#include <thread>

#include "absl/status/status.h"
#include "grpcpp/client_context.h"
#include "loader/base/mutex.h"
#include "rpc/error_status.h"

namespace ecf8 {

// How often a flag is looked at that says that the user has had enough.
inline constexpr std::chrono::milliseconds kCancelInterval(50);

// Cancels `context` soon after `flag` is set, and `grace` has passed, while it exists. gRPC's calls
// block, and a signal handler may only set a flag.
class CancelWatcher {
 public:
  CancelWatcher(const std::atomic<bool>* flag, grpc::ClientContext* context,
                std::chrono::milliseconds grace = {}) {
    if (flag == nullptr) return;
    thread_ = std::thread([this, flag, context, grace] {
      MutexLock lock(mutex_);
      while (!done_ && !flag->load()) {
        wake_.WaitUntil(lock, std::chrono::steady_clock::now() + kCancelInterval);
      }
      const auto end = std::chrono::steady_clock::now() + grace;
      while (!done_ && std::chrono::steady_clock::now() < end) wake_.WaitUntil(lock, end);
      if (!done_) context->TryCancel();
    });
  }

  ~CancelWatcher() {
    {
      MutexLock lock(mutex_);
      done_ = true;
    }
    wake_.NotifyAll();
    if (thread_.joinable()) thread_.join();
  }

  CancelWatcher(const CancelWatcher&) = delete;
  CancelWatcher& operator=(const CancelWatcher&) = delete;

 private:
  Mutex mutex_;
  CondVar wake_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Ends a stream: `error` is why the client stopped reading, if it did.
template <typename Reader>
absl::Status EndStream(Reader& reader, grpc::ClientContext& context, const absl::Status& error) {
  if (!error.ok()) context.TryCancel();
  const grpc::Status end = reader.Finish();
  return error.ok() ? FromGrpcStatus(end) : error;
}

}  // namespace ecf8

#endif  // ECF8_RPC_CALL_ENDS_H_
