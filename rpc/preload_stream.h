// One Preload call: a preload that tells its client how far it is.
//
// One message exists at a time, and tells the latest: a client that does not read gets fewer. The
// preload goes on meanwhile.
#ifndef ECF8_RPC_PRELOAD_STREAM_H_
#define ECF8_RPC_PRELOAD_STREAM_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "ecf8/v1/control.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/support/server_callback.h"
#include "loader/base/mutex.h"
#include "loader/serve/preload_task.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

// Who asked for a preload.
struct PreloadCaller {
  std::string request_id;
  bool sees_all = true;  // every model: he may be told whose the memory is
};

class PreloadStream final : public grpc::ServerWriteReactor<v1::PreloadProgress>,
                            public ServedStream,
                            public std::enable_shared_from_this<PreloadStream> {
 public:
  // `engine`, `pool` and `registry` must outlive the stream.
  static std::shared_ptr<PreloadStream> Make(Engine& engine, PreloadOrder order,
                                             PreloadCaller caller, WorkerPool& pool,
                                             StreamRegistry& registry);

  // To be called once, after the registry has taken the stream. From here on it owns itself, until
  // gRPC is done with it.
  void Start();

  void Abort(const absl::Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  PreloadStream(std::string model_name, PreloadCaller caller, StreamRegistry& registry);

  // What Decide found to do; done without the lock.
  struct Actions {
    std::optional<PreloadProgress> write;
    std::optional<absl::Status> finish;
  };

  Actions Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Act(const Actions& actions);
  void OnNews(const absl::StatusOr<PreloadProgress>& progress, int64_t resumes_at_ns);
  // Has the task woken then, on std::chrono::steady_clock.
  void WakeAt(int64_t time_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnAlarm(bool fired);
  void FillMessage(const PreloadProgress& progress);
  void Log(const absl::Status& status) const;

  const std::string model_name_;
  const PreloadCaller caller_;
  StreamRegistry& registry_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::shared_ptr<PreloadStream> self_;  // from Start to OnDone
  std::shared_ptr<PreloadTask> task_;
  v1::PreloadProgress message_;  // gRPC's while it writes
  grpc::Alarm alarm_;

  mutable Mutex mutex_;
  PreloadProgress progress_ ABSL_GUARDED_BY(mutex_);  // the latest
  bool is_new_ ABSL_GUARDED_BY(mutex_) = false;       // and not told
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool alarm_is_set_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);  // not OK: nothing more is told
};

}  // namespace ecf8

#endif  // ECF8_RPC_PRELOAD_STREAM_H_
