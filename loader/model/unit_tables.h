// The code tables of a unit, as objects and as the bytes that a stored unit begins with.
#ifndef ECF8_LOADER_MODEL_UNIT_TABLES_H_
#define ECF8_LOADER_MODEL_UNIT_TABLES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// Ready to decode with; null for a codec that the unit does not use.
struct UnitTables {
  std::unique_ptr<TableSet> e4m3;
  std::unique_ptr<TableSet> e5m2;

  // Null for kRaw, too.
  const TableSet* For(Codec codec) const;
};

// What a unit must hold of a codec for tables to be worth their bytes: coding saves a sixth, and
// the smallest table set of E5M2 takes 512 bytes. With less, its weights are stored raw.
inline constexpr uint64_t kMinCodedBytes = 4096;
bool IsWorthTables(const PlannedUnit& unit, Codec codec);

// The table sets, that of E4M3 first.
std::vector<uint8_t> SerializeUnitTables(const UnitTables& tables);
std::vector<TableSetInfo> DescribeUnitTables(const UnitTables& tables);

// DATA_LOSS where `stored` is not what `unit` says, or no valid tables.
absl::StatusOr<UnitTables> ParseUnitTables(const Unit& unit, absl::Span<const uint8_t> stored);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_UNIT_TABLES_H_
