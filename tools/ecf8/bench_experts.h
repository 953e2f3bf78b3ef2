// `ecf8 bench experts`: a model with experts that is larger than the memory, token by token.
#ifndef ECF8_TOOLS_ECF8_BENCH_EXPERTS_H_
#define ECF8_TOOLS_ECF8_BENCH_EXPERTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "loader/cache/simulator/generators.h"
#include "loader/engine/engine.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

// What the client does with a unit that it holds.
enum class UnitUse : uint8_t {
  kCheck,  // compares every byte with its checksum; on the host device alone
  kRead,   // reads every byte on all cores; on the host device alone
  kNone,
};

struct BenchExpertsOptions {
  std::string directory;  // a compressed model
  EngineOptions engine{};
  uint32_t tokens = 200;
  uint32_t experts_per_token = 8;  // of each layer
  ExpertTraffic traffic{};
  uint64_t seed = 1;
  UnitUse use = UnitUse::kCheck;
};

// A new engine serves a client that walks the model (expert_walk.h); the experts are drawn as
// generators.h has it. Prints tokens and bytes a second; the share of uses that found their unit in
// a slot, in host memory, or in either, and beside them what the cache simulator says of our policy
// on the trace of the very run; and how the process' memory went. A byte that is found not right is
// an error.
absl::Status RunBenchExperts(const BenchExpertsOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_EXPERTS_H_
