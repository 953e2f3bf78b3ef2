#include "loader/remote/stored_runs.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "loader/base/strings.h"
#include "loader/engine/unit_parts.h"

namespace ecf8 {
namespace {

bool IsZero(absl::Span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

std::string NameOf(const Unit& unit, const UnitPart& part) {
  if (part.is_tables()) return "the tables";
  return absl::StrCat("tensor ", Quoted(unit.pieces[part.piece].tensor), ", chunk ", part.chunk);
}

}  // namespace

std::vector<StoredRun> SplitUnit(const Unit& unit, uint64_t most_bytes) {
  std::vector<StoredRun> runs;
  for (const UnitPart& part : ListUnitParts(unit)) {
    const uint64_t end = part.stored_end_bytes();
    if (runs.empty() || end - runs.back().offset_bytes > most_bytes) {
      runs.push_back({part.stored_offset_bytes, part.stored_size_bytes});
    } else {
      runs.back().size_bytes = end - runs.back().offset_bytes;
    }
  }
  return runs;
}

absl::Status CheckRun(const Unit& unit, const StoredRun& run, absl::Span<const uint8_t> bytes) {
  uint64_t checked = 0;  // of `bytes`
  for (const UnitPart& part : ListUnitParts(unit)) {
    if (part.stored_offset_bytes < run.offset_bytes) continue;
    const uint64_t begin = part.stored_offset_bytes - run.offset_bytes;
    if (begin >= run.size_bytes) break;
    if (!IsZero(bytes.subspan(checked, begin - checked))) {
      return absl::DataLossError(
          absl::StrCat("what lies before ", NameOf(unit, part), " is not zero"));
    }
    if (Xxh3(bytes.subspan(begin, part.stored_size_bytes)) != part.xxh3) {
      return absl::DataLossError(absl::StrCat(NameOf(unit, part), " does not match its checksum"));
    }
    checked = begin + part.stored_size_bytes;
  }
  return absl::OkStatus();
}

}  // namespace ecf8
