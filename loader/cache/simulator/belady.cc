#include <set>
#include <unordered_map>
#include <utility>

#include "loader/cache/simulator/peers.h"

namespace ecf8 {
namespace {

class BeladyPolicy : public CachePolicy {
 public:
  explicit BeladyPolicy(const Trace& trace) : next_demand_(trace.records.size(), kNever) {
    std::unordered_map<uint64_t, uint64_t> next;
    for (uint64_t i = trace.records.size(); i-- > 0;) {
      const TraceRecord& record = trace.records[i];
      const uint64_t key = CacheKey(record.model, record.unit);
      const auto found = next.find(key);
      if (found != next.end()) next_demand_[i] = found->second;
      if (record.access == Access::kDemand) next[key] = i;
    }
  }

  void OnAccess(const CacheUnit& unit, Access /*access*/, bool hit) override {
    if (hit) order_.erase({next_[unit.key], unit.key});
    next_[unit.key] = next_demand_.at(position_++);
    sizes_[unit.key] = unit.size_bytes;
    if (hit) order_.insert({next_[unit.key], unit.key});
  }

  bool Admit(const CacheUnit& unit, uint64_t missing_bytes, bool must,
             const std::function<bool(uint64_t)>& can_evict,
             std::vector<uint64_t>* victims) override {
    uint64_t freed = 0;
    for (auto held = order_.rbegin(); freed < missing_bytes && held != order_.rend(); ++held) {
      if (!must && held->first <= next_[unit.key]) break;
      if (!can_evict(held->second)) continue;
      victims->push_back(held->second);
      freed += sizes_[held->second];
    }
    if (freed < missing_bytes) victims->clear();
    return freed >= missing_bytes;
  }

  void OnInsert(const CacheUnit& unit) override { order_.insert({next_[unit.key], unit.key}); }
  void OnEvict(uint64_t key) override { order_.erase({next_[key], key}); }

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};

  std::vector<uint64_t> next_demand_;  // by access: when its unit is demanded again
  uint64_t position_ = 0;
  std::unordered_map<uint64_t, uint64_t> next_;
  std::unordered_map<uint64_t, uint64_t> sizes_;
  std::set<std::pair<uint64_t, uint64_t>> order_;  // of the held units: next demand, key
};

}  // namespace

std::unique_ptr<CachePolicy> MakeBeladyPolicy(const Trace& trace) {
  return std::make_unique<BeladyPolicy>(trace);
}

}  // namespace ecf8
