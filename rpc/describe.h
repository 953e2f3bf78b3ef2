// Models and units as the wire contract describes them.
#ifndef ECF8_RPC_DESCRIBE_H_
#define ECF8_RPC_DESCRIBE_H_

#include <cstdint>
#include <vector>

#include "ecf8/v1/weights.pb.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

void FillModel(const CompressedModel& model, v1::Model* out);

// The unit with `pieces` of it only, ascending. `with_chunks`: also what decoding stored bytes
// needs.
void FillUnit(const CompressedModel& model, uint32_t unit_index,
              const std::vector<uint32_t>& pieces, bool with_chunks, v1::Unit* out);

// With all its pieces.
void FillWholeUnit(const CompressedModel& model, uint32_t unit_index, bool with_chunks,
                   v1::Unit* out);

}  // namespace ecf8

#endif  // ECF8_RPC_DESCRIBE_H_
