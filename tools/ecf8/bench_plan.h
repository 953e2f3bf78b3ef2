// `ecf8 bench plan`: what `ecf8 plan` computes for this machine, beside what the engine does on it.
#ifndef ECF8_TOOLS_ECF8_BENCH_PLAN_H_
#define ECF8_TOOLS_ECF8_BENCH_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchPlanOptions {
  std::string directory;  // a compressed model, whose config.json says what its experts are
  // Memory, in turn: for compressed units in percent of what is stored, and of slots in percent of
  // what is decoded.
  std::vector<uint32_t> host_percent = {25, 50, 110};
  std::vector<uint32_t> slot_percent = {50, 50, 50};
  uint32_t warm_tokens = 100;  // before those that count
  uint32_t tokens = 50;
  int runs = 5;
  double skew = 0.8;  // of the Zipf law, a layer's experts
  uint64_t seed = 1;
};

// A run measures the machine, as `ecf8 plan --measure` does, and then has for each of the memories
// a new engine that serves a client. The client reads every weight that a token uses once, on all
// cores: a dense model's in order, as many ahead as fit into a sixteenth of the slots; one with
// experts as expert_walk.h has it. Prints tokens a second, computed and real, and their ratios run
// by run.
absl::Status RunBenchPlan(const BenchPlanOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_PLAN_H_
