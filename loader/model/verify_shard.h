// Verifies the bytes of one shard, to the last.
#ifndef ECF8_LOADER_MODEL_VERIFY_SHARD_H_
#define ECF8_LOADER_MODEL_VERIFY_SHARD_H_

#include <atomic>

#include "absl/status/status.h"
#include "loader/model/problem_list.h"
#include "loader/model/progress_meter.h"
#include "loader/model/shard.h"
#include "loader/model/source_tensors.h"

namespace ecf8 {

struct VerifyContext {
  int threads = 1;
  const std::atomic<bool>* cancel = nullptr;  // may be null
  const SourceTensors* against = nullptr;     // may be null
  ProblemList* problems = nullptr;
  ProgressMeter* meter = nullptr;
};

// Tables, chunks, decoded bytes (with `against`, each of them), zero bytes between, and that the
// header describes them. What is wrong goes to the problems; the Status is for CANCELLED and the
// like.
absl::Status VerifyShard(const Shard& shard, const VerifyContext& context);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_VERIFY_SHARD_H_
