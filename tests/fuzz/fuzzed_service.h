// A server in this process for a fuzzer to talk to, which knows how it has to be when nobody does.
#ifndef ECF8_TESTS_FUZZ_FUZZED_SERVICE_H_
#define ECF8_TESTS_FUZZ_FUZZED_SERVICE_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "tests/support/small_model.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {

// Serves a model "small"; one can add "other", too. Aborts where it is not as it has to be.
class FuzzedService {
 public:
  FuzzedService();

  // What the last client has left is gone, as the tiers' units and all pins are then, "small" is
  // served and alone, and a client gets right bytes.
  void CheckThatAllIsWell();

  const std::string& digest() const { return digest_; }
  const Address& address() const { return address_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  bool NobodyIsThere() const;
  void ServeSmallAlone();
  void ForgetEverything();

  testing::TempDir directory_;
  Address address_;
  testing::TensorBytes tensors_;
  std::string digest_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<WeightClient> client_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace ecf8

#endif  // ECF8_TESTS_FUZZ_FUZZED_SERVICE_H_
