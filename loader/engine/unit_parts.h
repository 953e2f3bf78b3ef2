// A unit's stored bytes as the parts in which they are checked and decoded.
#ifndef ECF8_LOADER_ENGINE_UNIT_PARTS_H_
#define ECF8_LOADER_ENGINE_UNIT_PARTS_H_

#include <cstdint>
#include <vector>

#include "loader/model/manifest.h"

namespace ecf8 {

// The unit's tables, or one chunk of a piece.
struct UnitPart {
  static constexpr uint32_t kTables = UINT32_MAX;

  uint32_t piece = kTables;
  uint32_t chunk = 0;
  uint64_t stored_offset_bytes = 0;   // in the stored unit
  uint64_t decoded_offset_bytes = 0;  // in the decoded unit
  uint32_t stored_size_bytes = 0;     // at most kChunkWeights
  uint32_t decoded_size_bytes = 0;    // 0 for tables
  uint64_t xxh3 = 0;                  // of the stored bytes

  bool is_tables() const { return piece == kTables; }
  uint64_t stored_end_bytes() const { return stored_offset_bytes + stored_size_bytes; }
};

// In stored order, which is that of the decoded layout; the tables, where there are any, are the
// first. No part is empty.
std::vector<UnitPart> ListUnitParts(const Unit& unit);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_UNIT_PARTS_H_
