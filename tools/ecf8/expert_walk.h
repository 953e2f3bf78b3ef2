// Walks a model with experts as an inference client does, token by token.
#ifndef ECF8_TOOLS_ECF8_EXPERT_WALK_H_
#define ECF8_TOOLS_ECF8_EXPERT_WALK_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/cache/simulator/simulate_uses.h"
#include "loader/engine/engine.h"
#include "tools/ecf8/expert_steps.h"
#include "tools/workloads/model_walk.h"
#include "tools/workloads/unit_news.h"

namespace ecf8 {

// For each step: its dense units are demanded, then its experts, all at once, as a router names
// them when the layer's attention is done. While those are on their way, the dense units of the
// next step are announced by hints, for they are certain; which experts come next, nobody knows.
// All that a step holds is given back at its end; before, each unit of it was used.
// Thread-compatible.
class ExpertWalk {
 public:
  // The engine's model 0. Engine and steps outlive the walk.
  ExpertWalk(Engine& engine, const ExpertSteps& steps, UseUnit use)
      : engine_(engine), steps_(steps), use_(std::move(use)) {}

  // One pass over the model, which uses of each layer in turn so many of `experts`. The errors of
  // using a unit; the engine's.
  absl::Status Token(absl::Span<const std::vector<uint32_t>> experts);

  uint64_t used_units() const { return used_units_; }
  uint64_t used_bytes() const { return used_bytes_; }  // decoded

  // What was done, in order.
  const std::vector<UseEvent>& events() const { return events_; }

 private:
  absl::Status Ask(uint32_t unit, Priority priority, std::vector<UnitLease>* leases);
  absl::Status AskForDense(const ExpertStep& step);
  absl::Status WaitAndUse(absl::Span<const UnitLease> leases);
  void GiveBack(std::vector<UnitLease>* leases);

  Engine& engine_;
  const ExpertSteps& steps_;
  const UseUnit use_;
  const std::shared_ptr<UnitNews> news_ = std::make_shared<UnitNews>();
  std::vector<UnitLease> hinted_;  // dense units of the step to come
  std::vector<UnitLease> dense_;   // of the step at hand
  std::vector<UnitLease> chosen_;  // experts of the step at hand
  std::vector<UseEvent> events_;
  uint64_t used_units_ = 0;
  uint64_t used_bytes_ = 0;
};

// DATA_LOSS, naming the tensor, where a decoded byte is not what the tensor's checksum says. On the
// host device, whose memory is ours to read.
absl::Status CheckUnit(const HeldUnit& held);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_EXPERT_WALK_H_
