#include "loader/cache/schedule_policy.h"

#include <algorithm>
#include <limits>

namespace ecf8 {

void SchedulePolicy::AddModel(const ModelWalk& walk) {
  models_.insert_or_assign(walk.model, ModelResidency(walk));
}

void SchedulePolicy::RemoveModel(uint32_t model) { models_.erase(model); }

void SchedulePolicy::OnAccess(const CacheUnit& unit, Access access, bool hit) {
  ModelResidency& model = models_.at(unit.model);
  const uint32_t index = CacheKeyUnit(unit.key);
  if (access == Access::kDemand) model.OnDemand(index, &clock_);
  if (access == Access::kHint) model.OnHint(index, clock_);
  if (access == Access::kPreload && !hit) model.OnPreload(index, clock_);
}

bool SchedulePolicy::Admit(const CacheUnit& unit, uint64_t missing_bytes, bool must,
                           const std::function<bool(uint64_t key)>& can_evict,
                           std::vector<uint64_t>* victims) {
  if (unit.size_bytes > budget_bytes_) return false;
  if (missing_bytes == 0) return true;
  const double gain = models_.at(unit.model).Worth(CacheKeyUnit(unit.key), clock_) *
                      static_cast<double>(unit.size_bytes);
  double loss = 0;
  uint64_t freed_bytes = 0;
  // What was considered does not count as held until the end, so that the next cheapest is found.
  std::vector<uint64_t> considered;
  Victim victim = {};
  bool admit = true;
  while (freed_bytes < missing_bytes) {
    if (!FindCheapest(&victim)) {
      admit = false;
      break;
    }
    if (!must && loss + victim.worth * static_cast<double>(victim.size_bytes) >= gain) {
      admit = false;
      break;
    }
    considered.push_back(victim.key);
    models_.at(CacheKeyModel(victim.key)).SetHeld(CacheKeyUnit(victim.key), false);
    if (!can_evict(victim.key)) continue;
    victims->push_back(victim.key);
    freed_bytes += victim.size_bytes;
    loss += victim.worth * static_cast<double>(victim.size_bytes);
  }
  for (const uint64_t key : considered) {
    models_.at(CacheKeyModel(key)).SetHeld(CacheKeyUnit(key), true);
  }
  if (!admit) victims->clear();
  return admit;
}

bool SchedulePolicy::FindCheapest(Victim* victim) {
  ModelResidency::Candidate cheapest = {std::numeric_limits<double>::infinity(), 0, 0};
  bool found = false;
  for (auto& [number, model] : models_) {
    if (!model.FindCheaper(clock_, &cheapest)) continue;
    *victim = {cheapest.worth, CacheKey(number, cheapest.unit), model.SizeBytes(cheapest.unit)};
    found = true;
  }
  return found;
}

void SchedulePolicy::SetSaving(uint64_t key, double saving) {
  models_.at(CacheKeyModel(key)).SetSaving(CacheKeyUnit(key), static_cast<float>(saving));
}

void SchedulePolicy::OnInsert(const CacheUnit& unit) {
  models_.at(unit.model).SetHeld(CacheKeyUnit(unit.key), true);
}

void SchedulePolicy::OnEvict(uint64_t key) {
  models_.at(CacheKeyModel(key)).SetHeld(CacheKeyUnit(key), false);
}

std::vector<float> SchedulePolicy::ExportHeat(uint32_t model) const {
  std::vector<float> chances = models_.at(model).Chances();
  for (float& chance : chances) chance = std::clamp(chance, 0.0f, 1.0f);
  return chances;
}

void SchedulePolicy::ImportHeat(uint32_t model, absl::Span<const float> chances) {
  models_.at(model).Seed(chances);
}

uint64_t SchedulePolicy::DemandCount(uint32_t model) const {
  return models_.at(model).demand_count();
}

std::unique_ptr<SchedulePolicy> MakeSchedulePolicy(uint64_t budget_bytes) {
  return std::make_unique<SchedulePolicy>(budget_bytes);
}

}  // namespace ecf8
