// `ecf8 bench moe-model`: writes a made-up mixture-of-experts model, compressed.
#ifndef ECF8_TOOLS_ECF8_BENCH_MOE_MODEL_H_
#define ECF8_TOOLS_ECF8_BENCH_MOE_MODEL_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/job_flags.h"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {

struct BenchMoeModelOptions {
  std::string directory;  // to make
  MoeShape shape{};
  uint32_t experts_per_token = 8;  // as config.json has it
  uint64_t seed = 1;
  JobFlags job{};
};

// As `ecf8 compress` of a plain model that would have such tensors (made_up_source.h), which is
// never on the disk. Prints what `compress` prints.
absl::Status RunBenchMoeModel(const BenchMoeModelOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_MOE_MODEL_H_
