// One model in a tier: which of its units are held, and what each is worth there.
//
// Worth is the number of uses a step that holding the unit saves, so that units of any size, layer
// and model compare: a hit saves time in proportion to the unit's bytes, which makes worth a saving
// a byte. A dense unit is used once a pass, so that it is worth 1 / period; an expert is worth that
// times its chance to be used by the pass. The period is measured in steps of all models together,
// so that a model that is walked often is worth more; a unit that is overdue loses worth with
// every step, so that an idle model gives way within about two passes of another. Where a use of
// the unit saves less than a use of others (it is held in another form, too), worth is that much
// less.
#ifndef ECF8_LOADER_CACHE_MODEL_RESIDENCY_H_
#define ECF8_LOADER_CACHE_MODEL_RESIDENCY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "loader/cache/cache_policy.h"
#include "loader/cache/expert_predictor.h"

namespace ecf8 {

// The clock, in steps, is the policy's and common to all its models: the visits to layers of all
// models so far. Thread-compatible.
class ModelResidency {
 public:
  explicit ModelResidency(const ModelWalk& walk);

  // A demand for a unit of the walk. Advances *clock where it begins a step: a dense unit always,
  // an expert if the walk has come to its layer anew.
  void OnDemand(uint32_t unit, uint64_t* clock);

  // The unit is announced: until it is demanded, or for a period, it is worth more than any that is
  // not.
  void OnHint(uint32_t unit, uint64_t clock);

  // The unit's model is wanted: the unit is worth as much as if it had just been used.
  void OnPreload(uint32_t unit, uint64_t clock);

  void SetHeld(uint32_t unit, bool held);

  // As CachePolicy's.
  void SetSaving(uint32_t unit, float saving);

  uint64_t SizeBytes(uint32_t unit) const { return units_[unit].size_bytes; }

  // Held or not.
  double Worth(uint32_t unit, uint64_t clock) const;

  struct Candidate {
    double worth;
    uint64_t last_use;  // on the clock
    uint32_t unit;

    // Among dense units of equal worth the one that was used last goes first: its next use is the
    // farthest.
    bool IsCheaperThan(const Candidate& other) const {
      return worth < other.worth || (worth == other.worth && last_use > other.last_use);
    }
  };
  // The held unit that is worth least, if it is cheaper than *cheapest; returns whether it is.
  bool FindCheaper(uint64_t clock, Candidate* cheapest);

  // Of every unit of the walk, the chance that a pass uses it; 0 for dense ones.
  std::vector<float> Chances() const;
  void Seed(absl::Span<const float> chances);
  uint64_t demand_count() const { return demands_; }

 private:
  static constexpr uint32_t kDense = ~uint32_t{0};

  struct Unit {
    uint64_t size_bytes;
    uint32_t group;  // in groups_, or kDense
    uint32_t index;  // in the group or in dense_
  };
  struct Dense {
    uint32_t unit;
    uint64_t last_use = 0;
    uint64_t hinted_until = 0;
    float saving = 1;
    bool held = false;
  };
  // The experts of a layer.
  struct Group {
    std::vector<uint32_t> units;
    std::vector<float> savings;  // by expert
    // By expert, added to what its chance saves to find the cheapest: 0 if held, what the hint adds
    // if also hinted, infinite if not held.
    std::vector<float> bias;
    std::vector<uint64_t> hinted_until;  // by expert; 0: not hinted
    std::vector<uint32_t> used_in;       // by expert: the group's step of its last use
    uint32_t hinted_count = 0;
    uint32_t step = 0;
    uint64_t step_begin = 0;   // on the clock
    uint64_t last_demand = 0;  // of all demands for the model
    bool is_cheapest_known = false;
    uint32_t cheapest = 0;
    float cheapest_saved = 0;  // a pass
  };

  double WorthOfPass(uint64_t last_use, uint64_t clock) const;
  void LearnPeriod(uint64_t last_use, uint64_t clock);
  void OnExpertDemand(Group& group, uint32_t group_index, uint32_t index, uint64_t* clock);
  void EndHint(Group& group, uint32_t index);
  static void SetBias(Group& group, uint32_t index, bool held);
  void ExpireHints(Group& group, uint64_t clock);
  void FindCheapestOf(Group& group, uint32_t group_index) const;

  std::vector<Unit> units_;  // in walk order
  std::vector<Dense> dense_;
  std::vector<Group> groups_;
  ExpertPredictor predictor_;
  uint64_t demands_ = 0;
  double period_;  // steps of all models from one use of a dense unit, or of a layer, to the next
  double deviation_ = 0;    // of the intervals from period_, in periods, on average
  uint64_t intervals_ = 0;  // that period_ was learned from
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_MODEL_RESIDENCY_H_
