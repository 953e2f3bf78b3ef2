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

// The table sets, that of E4M3 first.
std::vector<uint8_t> SerializeUnitTables(const UnitTables& tables);
std::vector<TableSetInfo> DescribeUnitTables(const UnitTables& tables);

// DATA_LOSS where `stored` is not what `unit` says, or no valid tables.
absl::StatusOr<UnitTables> ParseUnitTables(const Unit& unit, absl::Span<const uint8_t> stored);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_UNIT_TABLES_H_
