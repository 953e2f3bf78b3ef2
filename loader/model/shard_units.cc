#include "loader/model/shard_units.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/format.h"

namespace ecf8 {

std::vector<uint8_t> ShardUnits::BeginUnit(const std::string& id, const UnitTables& tables) {
  end_bytes_ = RoundUp(end_bytes_, kUnitAlignmentBytes);
  Unit& unit = units_.emplace_back();
  unit.id = id;
  unit.offset_bytes = end_bytes_;
  unit.table_sets = DescribeUnitTables(tables);
  std::vector<uint8_t> stored = SerializeUnitTables(tables);
  if (!stored.empty()) unit.tables_xxh3 = Xxh3(stored);
  end_bytes_ += stored.size();
  return stored;
}

void ShardUnits::BeginPiece(Piece piece) {
  end_bytes_ = RoundUp(end_bytes_, kStoredAlignmentBytes);
  units_.back().pieces.push_back(std::move(piece));
}

uint64_t ShardUnits::AddChunk(uint32_t stored_size_bytes, uint64_t xxh3) {
  units_.back().pieces.back().chunks.push_back({stored_size_bytes, xxh3});
  const uint64_t begin = end_bytes_;
  end_bytes_ += stored_size_bytes;
  return begin;
}

void ShardUnits::EndPiece(uint64_t decoded_xxh3) {
  Piece& piece = units_.back().pieces.back();
  piece.decoded_xxh3 = decoded_xxh3;
  uint64_t stored = 0;
  for (const Chunk& chunk : piece.chunks) stored += chunk.stored_size_bytes;
  // No chunk shrank: every one is stored raw, and so the piece is.
  if (stored == piece.decoded_size_bytes) piece.codec = Codec::kRaw;
}

void ShardUnits::EndUnit() { DeriveUnitLayout(units_.back()); }

}  // namespace ecf8
