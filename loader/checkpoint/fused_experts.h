// Tensors that hold all experts of a layer, which unit_plan cuts into one unit an expert.
#ifndef ECF8_LOADER_CHECKPOINT_FUSED_EXPERTS_H_
#define ECF8_LOADER_CHECKPOINT_FUSED_EXPERTS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "loader/checkpoint/unit_names.h"
#include "loader/checkpoint/unit_plan.h"

namespace ecf8 {

struct FusedExperts {
  uint64_t expert_count = 0;  // the first dimension of each tensor
  std::vector<uint32_t>
      tensors;  // indices in the list given; each a whole number of bytes an expert
};

// The layers that have fused experts by the rules of unit_plan.h. `keys` are AssignUnits' for
// `tensors`.
std::map<UnitKey, FusedExperts> FindFusedExperts(const std::vector<PlanTensor>& tensors,
                                                 const std::vector<UnitKey>& keys);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_FUSED_EXPERTS_H_
