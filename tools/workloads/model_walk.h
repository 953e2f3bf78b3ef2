// Walks over a whole model, timed, for `ecf8 bench stream`.
#ifndef ECF8_TOOLS_WORKLOADS_MODEL_WALK_H_
#define ECF8_TOOLS_WORKLOADS_MODEL_WALK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/engine/engine.h"
#include "loader/engine/held_unit.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// All units of a model, in walk order.
std::vector<uint32_t> AllUnits(const CompressedModel& model);

// What a client does with a unit while it holds it. An error ends the walk.
using UseUnit = std::function<absl::Status(const HeldUnit& held)>;

// The units of the engine's model 0, in `form`, in order, each used (`use` may be empty) and given
// back when it is ready; units of `ahead_bytes` together, and one more, are asked for ahead, and
// given back where the unit at hand cannot come because of them. Returns the seconds that it took.
absl::StatusOr<double> WalkUnits(Engine& engine, const std::vector<uint32_t>& units, UnitForm form,
                                 uint64_t ahead_bytes, const UseUnit& use = nullptr);

// What one core does in a second, in bytes: of stored ones read and hashed, of decoded ones
// decoded.
struct CoreRates {
  double read = 0;
  double checksum = 0;
  double decode = 0;
};

// Does the stages of the whole model one after the other, unit by unit, on the calling thread.
absl::StatusOr<CoreRates> MeasureCore(const CompressedModel& model);

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_MODEL_WALK_H_
