#include <map>
#include <tuple>
#include <unordered_map>

#include "loader/cache/simulator/peers.h"

namespace ecf8 {
namespace {

// LRU and LFU: both evict in the order of a rank that an access changes.
class RankedPolicy : public CachePolicy {
 public:
  explicit RankedPolicy(bool by_count) : by_count_(by_count) {}

  void OnAccess(const CacheUnit& unit, Access access, bool hit) override {
    Entry& entry = entries_[unit.key];
    entry.size_bytes = unit.size_bytes;
    if (hit) order_.erase(RankOf(unit.key, entry));
    entry.last_access = ++clock_;
    if (access == Access::kDemand) ++entry.count;
    if (hit) order_.emplace(RankOf(unit.key, entry), unit.size_bytes);
  }

  bool Admit(const CacheUnit& /*unit*/, uint64_t missing_bytes, bool /*must*/,
             const std::function<bool(uint64_t)>& can_evict,
             std::vector<uint64_t>* victims) override {
    uint64_t freed = 0;
    for (auto held = order_.begin(); freed < missing_bytes && held != order_.end(); ++held) {
      const uint64_t key = std::get<2>(held->first);
      if (!can_evict(key)) continue;
      victims->push_back(key);
      freed += held->second;
    }
    if (freed < missing_bytes) victims->clear();
    return freed >= missing_bytes;
  }

  void OnInsert(const CacheUnit& unit) override {
    order_.emplace(RankOf(unit.key, entries_[unit.key]), unit.size_bytes);
  }

  void OnEvict(uint64_t key) override { order_.erase(RankOf(key, entries_[key])); }

 private:
  using Rank = std::tuple<uint64_t, uint64_t, uint64_t>;  // count, last access, key

  struct Entry {
    uint64_t count = 0;
    uint64_t last_access = 0;
    uint64_t size_bytes = 0;
  };

  Rank RankOf(uint64_t key, const Entry& entry) const {
    return {by_count_ ? entry.count : 0, entry.last_access, key};
  }

  const bool by_count_;
  uint64_t clock_ = 0;
  std::unordered_map<uint64_t, Entry> entries_;
  std::map<Rank, uint64_t> order_;  // of the held units: their sizes
};

}  // namespace

std::unique_ptr<CachePolicy> MakeLruPolicy() { return std::make_unique<RankedPolicy>(false); }
std::unique_ptr<CachePolicy> MakeLfuPolicy() { return std::make_unique<RankedPolicy>(true); }

}  // namespace ecf8
