// This machine as a plan sees it.
#ifndef ECF8_TOOLS_ECF8_PLAN_MEASURE_H_
#define ECF8_TOOLS_ECF8_PLAN_MEASURE_H_

#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"
#include "loader/planning/hardware.h"

namespace ecf8 {

// What the host device does with the model's bytes: one core's decoder and checksums times the
// cores, how fast all cores read memory, and the disk under the model's shards, read past the page
// cache where their system lets us. Half of the memory counts for decoded weights, half for
// compressed ones. What computes is the client's: that it reads every weight counts, all else as if
// it took no time. Takes some seconds. Errors as those of reading.
absl::StatusOr<Hardware> MeasureHost(const CompressedModel& model);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_PLAN_MEASURE_H_
