// A client that does to the daemon whatever a fuzzer says.
#ifndef ECF8_TESTS_FUZZ_FUZZED_CLIENT_H_
#define ECF8_TESTS_FUZZ_FUZZED_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "loader/base/descriptor.h"
#include "rpc/slot_mapping.h"
#include "tests/fuzz/fuzzed_service.h"
#include "tests/fuzz/script_input.h"

namespace ecf8 {

class FuzzedCall;

// Thread-compatible. Its end closes and cancels everything.
class FuzzedClient {
 public:
  explicit FuzzedClient(const FuzzedService& service);
  ~FuzzedClient();

  // Until the input is empty, or it has done enough.
  void Run(ScriptInput& input);

 private:
  void Step(ScriptInput& input);
  void Call(ScriptInput& input);
  void BeginSession();
  void SaySomething(ScriptInput& input);
  void SayStep(ScriptInput& input);
  void TakeTicket();
  void SendRawBytes(ScriptInput& input, const std::string& path, const std::string& begin);
  std::string Request(ScriptInput& input, const std::string& built) const;
  FuzzedCall* ChooseCall(ScriptInput& input);

  const FuzzedService& service_;
  std::vector<std::unique_ptr<FuzzedCall>> calls_;
  std::vector<std::unique_ptr<SlotMapping>> mappings_;
  std::vector<std::string> tickets_;
  std::vector<Descriptor> connections_;
};

}  // namespace ecf8

#endif  // ECF8_TESTS_FUZZ_FUZZED_CLIENT_H_
