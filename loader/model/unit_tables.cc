#include "loader/model/unit_tables.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ecf8 {

const TableSet* UnitTables::For(Codec codec) const {
  switch (codec) {
    case Codec::kE4M3:
      return e4m3.get();
    case Codec::kE5M2:
      return e5m2.get();
    case Codec::kRaw:
      break;
  }
  return nullptr;
}

bool IsWorthTables(const PlannedUnit& unit, Codec codec) {
  uint64_t bytes = 0;
  for (const PlannedPiece& piece : unit.pieces) {
    if (piece.codec_hint == codec) bytes += piece.size_bytes;
  }
  return bytes >= kMinCodedBytes;
}

std::vector<uint8_t> SerializeUnitTables(const UnitTables& tables) {
  std::vector<uint8_t> stored;
  for (const TableSet* set : {tables.e4m3.get(), tables.e5m2.get()}) {
    if (set == nullptr) continue;
    const std::vector<uint8_t> bytes = set->Serialize();
    stored.insert(stored.end(), bytes.begin(), bytes.end());
  }
  return stored;
}

std::vector<TableSetInfo> DescribeUnitTables(const UnitTables& tables) {
  std::vector<TableSetInfo> sets;
  for (const TableSet* set : {tables.e4m3.get(), tables.e5m2.get()}) {
    if (set != nullptr) sets.push_back({set->codec(), static_cast<uint32_t>(set->size())});
  }
  return sets;
}

absl::StatusOr<UnitTables> ParseUnitTables(const Unit& unit, absl::Span<const uint8_t> stored) {
  if (stored.size() != unit.tables_size_bytes) {
    return absl::DataLossError("the tables have the wrong size");
  }
  UnitTables tables;
  for (const TableSetInfo& info : unit.table_sets) {
    const size_t size = TableSet::SerializedSize(info.codec, info.table_count);
    absl::StatusOr<TableSet> set = TableSet::Parse(info.codec, stored.first(size));
    if (!set.ok()) {
      return absl::DataLossError(absl::StrCat("the tables are damaged: ", set.status().message()));
    }
    std::unique_ptr<TableSet>& place = info.codec == Codec::kE4M3 ? tables.e4m3 : tables.e5m2;
    place = std::make_unique<TableSet>(*std::move(set));
    stored.remove_prefix(size);
  }
  return tables;
}

}  // namespace ecf8
