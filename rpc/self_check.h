// Asks the server of this process what a prober would ask it: whether calls are answered.
#ifndef ECF8_RPC_SELF_CHECK_H_
#define ECF8_RPC_SELF_CHECK_H_

#include <memory>

#include "grpcpp/channel.h"
#include "grpcpp/server.h"

namespace ecf8 {

// Thread-safe. The server may go before it.
class SelfCheck {
 public:
  explicit SelfCheck(grpc::Server& server);

  // Returns when gRPC has answered, whatever the answer; of a server that has shut down, at once.
  void WaitForAnswer() const;

 private:
  const std::shared_ptr<grpc::Channel> channel_;  // within the process
};

}  // namespace ecf8

#endif  // ECF8_RPC_SELF_CHECK_H_
