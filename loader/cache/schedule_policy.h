// The policy of the daemon's tiers: it knows that a pass over a model walks its layers in order,
// and learns which experts the passes choose. docs/CACHE.md has the reasoning and the figures.
#ifndef ECF8_LOADER_CACHE_SCHEDULE_POLICY_H_
#define ECF8_LOADER_CACHE_SCHEDULE_POLICY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "loader/cache/cache_policy.h"
#include "loader/cache/model_residency.h"

namespace ecf8 {

// Holds those units whose worth (model_residency.h) is greatest, the most of every byte: a unit is
// admitted if it is worth more than what must go for it. So dense units are pinned as far as the
// budget goes, and the rest of them passes by; experts get what is left, each layer as much as its
// experts are worth. Every model must be announced by AddModel. An access costs O(layers + experts
// a layer).
class SchedulePolicy : public CachePolicy {
 public:
  // For a tier of `budget_bytes`: what is larger is never admitted.
  explicit SchedulePolicy(uint64_t budget_bytes) : budget_bytes_(budget_bytes) {}

  void AddModel(const ModelWalk& walk) override;
  void RemoveModel(uint32_t model) override;
  void OnAccess(const CacheUnit& unit, Access access, bool hit) override;
  bool Admit(const CacheUnit& unit, uint64_t missing_bytes, bool must,
             const std::function<bool(uint64_t key)>& can_evict,
             std::vector<uint64_t>* victims) override;
  void SetSaving(uint64_t key, double saving) override;
  void OnInsert(const CacheUnit& unit) override;
  void OnEvict(uint64_t key) override;

  // What was learned of a model's experts: of every unit of its walk, the chance that a pass uses
  // it (0 for dense units), in [0, 1]. It may be kept (heat_file.h) and given back to a policy that
  // has just been told of the model.
  std::vector<float> ExportHeat(uint32_t model) const;
  void ImportHeat(uint32_t model, absl::Span<const float> chances);
  // Demands for units of the model: where there are no new ones, nothing new was learned.
  uint64_t DemandCount(uint32_t model) const;

 private:
  struct Victim {
    double worth;
    uint64_t key;
    uint64_t size_bytes;
  };
  // The cheapest held unit of all; key is not set and false returned where nothing is held.
  bool FindCheapest(Victim* victim);

  const uint64_t budget_bytes_;
  std::map<uint32_t, ModelResidency> models_;
  uint64_t clock_ = 0;
};

// For a tier of `budget_bytes`.
std::unique_ptr<SchedulePolicy> MakeSchedulePolicy(uint64_t budget_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SCHEDULE_POLICY_H_
