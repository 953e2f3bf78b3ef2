// Any bytes as what a client says to the daemon: calls of every method, sessions, tickets, and raw
// bytes on both sockets. The server takes them, and then is as it was: nothing is held, the model
// is served, and its bytes are right.

#include <cstddef>
#include <cstdint>

#include "google/protobuf/stubs/logging.h"
#include "tests/fuzz/fuzzed_client.h"
#include "tests/fuzz/fuzzed_service.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ecf8::FuzzedService* const service = [] {
    // A message that is none is what this is about.
    google::protobuf::SetLogHandler(nullptr);
    return new ecf8::FuzzedService;
  }();
  {
    ecf8::ScriptInput input(data, size);
    ecf8::FuzzedClient client(*service);
    client.Run(input);
  }
  service->CheckThatAllIsWell();
  return 0;
}
