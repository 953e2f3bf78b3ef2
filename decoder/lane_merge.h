// Merges the symbols of an E5M2 group with its raw bytes, for SIMD decoders that take symbols of
// many lanes at once.
#ifndef ECF8_DECODER_LANE_MERGE_H_
#define ECF8_DECODER_LANE_MERGE_H_

#include <array>
#include <cstdint>

#include "decoder/format.h"

namespace ecf8 {

// Symbol j of lane l is symbols[j * kLaneCount + l]; writes kGroupWeights weights.
void MergeE5M2(const std::array<uint16_t, kGroupSymbols>& symbols, const uint8_t* raw,
               uint8_t* out);

}  // namespace ecf8

#endif  // ECF8_DECODER_LANE_MERGE_H_
