// Messages of the service that are nearly right, as a fuzzer chooses them.
#ifndef ECF8_TESTS_FUZZ_SERVICE_MESSAGES_H_
#define ECF8_TESTS_FUZZ_SERVICE_MESSAGES_H_

#include <string>
#include <vector>

#include "tests/fuzz/script_input.h"

namespace ecf8 {

// A method of the daemon's, and what makes a request for it.
struct ServiceMethod {
  const char* name;
  std::string (*make_request)(ScriptInput& input);  // serialised
};

// All but Session. Each time another one of the `input`'s choice.
const ServiceMethod& ChooseMethod(ScriptInput& input);

inline constexpr const char* kSessionMethod = "/ecf8.v1.WeightService/Session";

// Of a session; `tickets` are those that the slot socket has given out.
std::string MakeSessionRequest(ScriptInput& input, const std::vector<std::string>& tickets,
                               const std::string& digest);

}  // namespace ecf8

#endif  // ECF8_TESTS_FUZZ_SERVICE_MESSAGES_H_
