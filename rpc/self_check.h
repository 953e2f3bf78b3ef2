// Asks the server of this process what a prober would ask it: whether calls are answered.
#ifndef ECF8_RPC_SELF_CHECK_H_
#define ECF8_RPC_SELF_CHECK_H_

#include <memory>

#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "loader/base/mutex.h"

namespace ecf8 {

// Thread-safe.
class SelfCheck {
 public:
  explicit SelfCheck(grpc::Server& server);

  // Returns when gRPC has answered, whatever the answer; after End at once.
  void WaitForAnswer();

  // Waits for an answer that is on its way; nothing is asked any more. Before the server is shut
  // down: gRPC 1.51 crashes where that meets a call within the process.
  void End();

 private:
  Mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);  // null at the end
};

}  // namespace ecf8

#endif  // ECF8_RPC_SELF_CHECK_H_
