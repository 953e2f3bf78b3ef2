// What a machine will do with a model: what of it lies where, how many tokens a second come out,
// and what holds them back. docs/PLANNING.md has the formulas.
#ifndef ECF8_LOADER_PLANNING_PLAN_H_
#define ECF8_LOADER_PLANNING_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/planning/expert_hits.h"
#include "loader/planning/hardware.h"
#include "loader/planning/model_shape.h"

namespace ecf8 {

struct PlanOptions {
  std::vector<uint32_t> batches = {1, 4, 16, 64, 256, 1024};  // sequences side by side
  uint64_t context_tokens = 4096;                             // of each
  bool compressed = true;  // false: the same machine with the weights as they are in FP8
  // Instead, the share of the experts used that are on the device, at every batch.
  std::optional<double> device_hit_rate{};
};

// Where a step's time goes if nothing else took any.
enum class PlanStage : uint8_t { kDisk, kBus, kDecode, kMemory, kCompute };
std::string_view PlanStageName(PlanStage stage);

struct PlanRow {
  uint32_t batch = 0;
  bool fits = false;             // with this batch; the rest is zero where not
  double tokens_per_second = 0;  // of all sequences together
  double step_seconds = 0;       // in which each sequence gets a token
  PlanStage binding = PlanStage::kDisk;
  // A step's, by stage.
  double disk_bytes = 0;
  double bus_bytes = 0;
  double decoded_weights = 0;
  double distinct_experts = 0;  // of a layer
  double device_hit_rate = 0;   // of these, by what is on the device
  double memory_hit_rate = 0;   // and in host memory
  // Of the weights on the device.
  double resident_decoded_bytes = 0;
  double resident_stored_bytes = 0;
  double host_bytes = 0;  // in host memory
};

struct Plan {
  double stored_bytes = 0;
  double decoded_bytes = 0;
  bool disk_needed = false;  // not all of it lies in memory
  std::vector<PlanRow> rows;
};

// One thing of the machine doubled: what it gives at batch 1.
struct PlanChange {
  std::string what;
  double speedup = 1;
};

// For one model and one way to choose its experts, whose simulations it does once.
// Thread-compatible.
class Planner {
 public:
  static constexpr double kDefaultSkew = 0.8;

  // Expert r of a layer is chosen with probability ~ 1/r^skew.
  explicit Planner(ModelShape model, double skew = kDefaultSkew);

  const ModelShape& model() const { return model_; }
  double skew() const { return skew_; }

  Plan MakePlan(const Hardware& hardware, const PlanOptions& options);
  std::vector<PlanChange> TryChanges(const Hardware& hardware, const PlanOptions& options);

 private:
  const ModelShape model_;
  const double skew_;
  ExpertHits hits_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_PLANNING_PLAN_H_
