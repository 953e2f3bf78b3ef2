// What went wrong with a unit, named as the rest of the project names it: model, unit, tensor,
// shard and offset, never a path.
#ifndef ECF8_LOADER_ENGINE_UNIT_ERRORS_H_
#define ECF8_LOADER_ENGINE_UNIT_ERRORS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "loader/engine/unit_state.h"

namespace ecf8 {

// The model is not served any more.
absl::Status ModelIsGone(const std::string& model);

// The unit can never have the memory of a tier: `shortfall_bytes` more would be needed.
absl::Status DoesNotFit(const CompressedModel& model, const Unit& unit, Tier tier,
                        uint64_t shortfall_bytes);

// Some units of the model cannot have the memory of a tier together. `holder` says who has what is
// missing, in words; empty: nobody, there is not so much.
absl::Status DoNotFit(const std::string& model, Tier tier, uint64_t shortfall_bytes,
                      std::string holder);

// A read of stored bytes from `stored_offset_bytes` on has failed.
absl::Status ReadFailure(const UnitState& unit, uint64_t stored_offset_bytes,
                         const absl::Status& status);

// Part `part` could not be verified or decoded.
absl::Status PartFailure(const UnitState& unit, size_t part, const absl::Status& status);

// The device could not give a holder the unit's decoded bytes.
absl::Status SlotReadFailure(const CompressedModel& model, const Unit& unit,
                             const absl::Status& status);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_UNIT_ERRORS_H_
