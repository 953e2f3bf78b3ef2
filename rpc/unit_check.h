// Checks of what a daemon says about a unit, before a client trusts any number in it.
#ifndef ECF8_RPC_UNIT_CHECK_H_
#define ECF8_RPC_UNIT_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "ecf8/v1/weights.pb.h"

namespace ecf8 {

// DATA_LOSS where the unit is not one that a daemon can send: an id or dtype that is none, sizes
// that contradict shapes, tensors that overlap or reach outside the unit, and, for FORM_STORED,
// tables or chunks that do not add up. Afterwards sizes may be added, and memory of a chunk's size
// allocated.
absl::Status CheckUnit(const v1::Unit& unit, v1::Form form);

// Of the whole unit, in the form.
uint64_t UnitSizeBytes(const v1::Unit& unit, v1::Form form);

// Of a tensor that CheckUnit has passed: of all its parts together, decoded.
uint64_t WholeTensorBytes(const v1::Tensor& tensor);

// Of the tables at the start of a stored unit that CheckUnit has passed.
uint64_t TablesSizeBytes(const v1::Unit& unit);

}  // namespace ecf8

#endif  // ECF8_RPC_UNIT_CHECK_H_
