// Weights to decode in measurements.
#ifndef ECF8_TOOLS_GPU_BENCH_BENCH_WEIGHTS_H_
#define ECF8_TOOLS_GPU_BENCH_BENCH_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/code_table.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

struct BenchWeights {
  std::string source;            // "synthetic", or the model's name
  std::vector<uint8_t> weights;  // E4M3, whole chunks
  TableSet tables;
  std::vector<std::vector<uint8_t>> chunks;  // stored

  uint64_t stored_bytes() const;  // of the chunks
};

// `chunks` chunks of FillSyntheticE4M3's.
BenchWeights SyntheticBenchWeights(uint64_t chunks);

// The first E4M3 weights of the model, at most `chunks` chunks. FAILED_PRECONDITION where it has
// not one; else the errors of reading.
absl::StatusOr<BenchWeights> ModelBenchWeights(const CompressedModel& model, uint64_t chunks);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_BENCH_WEIGHTS_H_
