// `ecf8 bench rpc`: what the service costs beside gRPC that does nothing else.
#ifndef ECF8_TOOLS_ECF8_BENCH_RPC_H_
#define ECF8_TOOLS_ECF8_BENCH_RPC_H_

#include <string>

#include "absl/status/status.h"
#include "loader/engine/engine.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchRpcOptions {
  std::string model;  // a compressed model's directory
  EngineOptions engine{};
  int runs = 9;       // of fetches and of streams, in turn
  int rounds = 2000;  // of acquires and of pings, in turn
};

// A server in this process, on a Unix socket, everything resident. Fetches of the whole model, as a
// client of the library makes them, checked, beside streams of as many bytes
// (`fetch_vs_bare_stream`, decoded; `stored_vs_bare_stream`, per byte). Sets of nine units that are
// ready, acquired by a session, beside an empty message there and back on a stream
// (`acquire_p50_vs_pingpong`).
absl::Status RunBenchRpc(const BenchRpcOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_RPC_H_
