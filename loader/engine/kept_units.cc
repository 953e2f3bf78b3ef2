#include "loader/engine/kept_units.h"

#include <utility>

namespace ecf8 {

KeptUnits::KeptUnits(Arena& arena, const std::vector<LedgerUnit>& units) : arena_(arena) {
  for (const LedgerUnit& unit : units) {
    std::optional<Extents> frames = arena.Take(unit.frames);
    if (!frames) continue;
    units_[unit.model_digest].push_back(
        {unit.unit_index, unit.stored_size_bytes, *std::move(frames)});
  }
}

KeptUnits::~KeptUnits() {
  while (const std::optional<KeptUnit> unit = TakeAny()) arena_.Free(unit->frames);
}

std::vector<KeptUnit> KeptUnits::TakeModel(uint64_t digest) {
  const auto found = units_.find(digest);
  if (found == units_.end()) return {};
  std::vector<KeptUnit> taken = std::move(found->second);
  units_.erase(found);
  return taken;
}

std::optional<KeptUnit> KeptUnits::TakeAny() {
  if (units_.empty()) return std::nullopt;
  const auto model = units_.begin();
  KeptUnit taken = std::move(model->second.back());
  model->second.pop_back();
  if (model->second.empty()) units_.erase(model);
  return taken;
}

}  // namespace ecf8
