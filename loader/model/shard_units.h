// The units of a shard that is being made: where each of them, and everything in it, comes to lie.
#ifndef ECF8_LOADER_MODEL_SHARD_UNITS_H_
#define ECF8_LOADER_MODEL_SHARD_UNITS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "loader/model/manifest.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// Thread-compatible. In order: for each unit (BeginUnit, for each piece (BeginPiece, AddChunk...,
// EndPiece), EndUnit). Knows sizes and checksums only, so that one can also ask what units would
// take without writing them.
class ShardUnits {
 public:
  // The first unit comes behind the header.
  explicit ShardUnits(uint64_t header_size_bytes) : end_bytes_(header_size_bytes) {}

  // Returns the tables' bytes (none without tables), with which the unit begins at
  // units().back().offset_bytes.
  std::vector<uint8_t> BeginUnit(const std::string& id, const UnitTables& tables);

  // `piece` without its chunks and checksum.
  void BeginPiece(Piece piece);
  // Returns where the chunk is to be.
  uint64_t AddChunk(uint32_t stored_size_bytes, uint64_t xxh3);
  void EndPiece(uint64_t decoded_xxh3);

  void EndUnit();

  // The last one is open between BeginUnit and EndUnit.
  const std::vector<Unit>& units() const { return units_; }
  // Behind them, where a manifest may be.
  uint64_t manifest_offset_bytes() const { return RoundUp(end_bytes_, kStoredAlignmentBytes); }

  std::vector<Unit> Take() && { return std::move(units_); }

 private:
  uint64_t end_bytes_;
  std::vector<Unit> units_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SHARD_UNITS_H_
