#include "loader/cache/simulator/static_oracle.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

namespace ecf8 {
namespace {

// By unit: whether it is among the `capacity` likeliest.
std::vector<bool> Chosen(const GeneratedTrace& generated, const Phase& phase, uint64_t capacity) {
  std::vector<bool> chosen(generated.trace.models[0].units.size(), false);
  const size_t count = std::min<uint64_t>(capacity, phase.likeliest.size());
  for (size_t i = 0; i < count; ++i) chosen[phase.likeliest[i]] = true;
  return chosen;
}

class StaticOracle : public CachePolicy {
 public:
  StaticOracle(const GeneratedTrace& generated, uint64_t capacity)
      : generated_(generated), capacity_(capacity) {}

  void OnAccess(const CacheUnit& /*unit*/, Access /*access*/, bool /*hit*/) override {
    const std::vector<Phase>& phases = generated_.phases;
    if (next_phase_ < phases.size() && phases[next_phase_].first_record == position_) {
      chosen_ = Chosen(generated_, phases[next_phase_++], capacity_);
      stale_.clear();
      for (const uint64_t key : held_) {
        if (!chosen_[CacheKeyUnit(key)]) stale_.insert(key);
      }
    }
    ++position_;
  }

  bool Admit(const CacheUnit& unit, uint64_t missing_bytes, bool must,
             const std::function<bool(uint64_t)>& can_evict,
             std::vector<uint64_t>* victims) override {
    if (!must && !chosen_[CacheKeyUnit(unit.key)]) return false;
    uint64_t freed = 0;
    for (auto key = stale_.begin(); freed < missing_bytes && key != stale_.end(); ++key) {
      if (!can_evict(*key)) continue;
      victims->push_back(*key);
      freed += unit.size_bytes;
    }
    if (freed < missing_bytes) victims->clear();
    return freed >= missing_bytes;
  }

  void OnInsert(const CacheUnit& unit) override { held_.insert(unit.key); }
  void OnEvict(uint64_t key) override {
    held_.erase(key);
    stale_.erase(key);
  }

 private:
  const GeneratedTrace& generated_;
  const uint64_t capacity_;
  size_t next_phase_ = 0;
  uint64_t position_ = 0;
  std::vector<bool> chosen_;
  std::set<uint64_t> held_, stale_;
};

}  // namespace

std::unique_ptr<CachePolicy> MakeStaticOracle(const GeneratedTrace& generated, uint64_t capacity) {
  return std::make_unique<StaticOracle>(generated, capacity);
}

uint64_t PreloadedOracleHits(const GeneratedTrace& generated, uint64_t capacity) {
  const std::vector<TraceRecord>& records = generated.trace.records;
  uint64_t hits = 0;
  for (size_t p = 0; p < generated.phases.size(); ++p) {
    const std::vector<bool> chosen = Chosen(generated, generated.phases[p], capacity);
    const bool last = p + 1 == generated.phases.size();
    const uint64_t end = last ? records.size() : generated.phases[p + 1].first_record;
    for (uint64_t i = generated.phases[p].first_record; i < end; ++i) {
      hits += chosen[records[i].unit] ? 1 : 0;
    }
  }
  return hits;
}

}  // namespace ecf8
