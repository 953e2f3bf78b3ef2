#include "loader/cache/model_residency.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace ecf8 {
namespace {

constexpr float kNotHeld = std::numeric_limits<float>::infinity();
constexpr float kHintBonus = 1;

// An interval counts as at most two periods: a model that comes back after a long time is as busy
// as it was. A unit is overdue after one and a half periods, later where the intervals vary.
constexpr double kLongestInterval = 2;
constexpr double kPeriodPasses = 16;  // that the period is averaged over
constexpr double kOverdue = 1.5;
constexpr double kPatience = 2;  // more periods for a mean deviation of one period

std::vector<uint32_t> ExpertsPerLayer(const ModelWalk& walk) {
  std::map<uint32_t, uint32_t> counts;
  for (const ModelWalk::Unit& unit : walk.units) {
    if (unit.expert) ++counts[unit.layer];
  }
  std::vector<uint32_t> experts;
  experts.reserve(counts.size());
  for (const auto& [layer, count] : counts) experts.push_back(count);
  return experts;
}

}  // namespace

ModelResidency::ModelResidency(const ModelWalk& walk) : predictor_(ExpertsPerLayer(walk)) {
  std::map<uint32_t, uint32_t> groups;  // by layer, in the order of ExpertsPerLayer
  for (const ModelWalk::Unit& unit : walk.units) {
    if (unit.expert) groups[unit.layer] = 0;
  }
  for (auto& [layer, group] : groups) {
    group = static_cast<uint32_t>(groups_.size());
    groups_.emplace_back();
  }
  for (const ModelWalk::Unit& unit : walk.units) {
    const auto number = static_cast<uint32_t>(units_.size());
    if (!unit.expert) {
      units_.push_back({unit.size_bytes, kDense, static_cast<uint32_t>(dense_.size())});
      dense_.push_back({number});
      continue;
    }
    Group& group = groups_[groups[unit.layer]];
    units_.push_back(
        {unit.size_bytes, groups[unit.layer], static_cast<uint32_t>(group.units.size())});
    group.units.push_back(number);
  }
  for (Group& group : groups_) {
    group.savings.assign(group.units.size(), 1);
    group.bias.assign(group.units.size(), kNotHeld);
    group.hinted_until.assign(group.units.size(), 0);
    group.used_in.assign(group.units.size(), 0);
  }
  period_ = std::max(1.0, static_cast<double>(dense_.size() + groups_.size()));
}

void ModelResidency::OnDemand(uint32_t unit, uint64_t* clock) {
  ++demands_;
  const Unit& entry = units_[unit];
  if (entry.group != kDense) {
    OnExpertDemand(groups_[entry.group], entry.group, entry.index, clock);
    return;
  }
  Dense& dense = dense_[entry.index];
  LearnPeriod(dense.last_use, ++*clock);
  dense.last_use = *clock;
  dense.hinted_until = 0;
}

void ModelResidency::OnExpertDemand(Group& group, uint32_t group_index, uint32_t index,
                                    uint64_t* clock) {
  // The walk has been elsewhere for half a pass, or begins a new one here. Demands of other clients
  // in between, fewer than that, do not end a step.
  const uint64_t away = demands_ - group.last_demand - 1;
  const bool has_left = away >= std::max<uint64_t>((groups_.size() + dense_.size()) / 2, 1);
  if (group.step == 0 || has_left || group.used_in[index] == group.step) {
    LearnPeriod(group.step_begin, ++*clock);
    group.step_begin = *clock;
    ++group.step;
    predictor_.BeginStep(group_index);
    ExpireHints(group, *clock);
  }
  group.last_demand = demands_;
  group.used_in[index] = group.step;
  EndHint(group, index);
  predictor_.Use(group_index, index);
  group.is_cheapest_known = false;
}

void ModelResidency::LearnPeriod(uint64_t last_use, uint64_t clock) {
  if (last_use == 0) return;
  ++intervals_;
  const double per_pass = static_cast<double>(dense_.size() + groups_.size());
  const double rate = 1 / std::min(kPeriodPasses * per_pass, static_cast<double>(intervals_));
  const auto interval = static_cast<double>(clock - last_use);
  if (intervals_ == 1) period_ = interval;
  const double counted = std::min(interval, kLongestInterval * period_);
  deviation_ += rate * (std::abs(counted - period_) / period_ - deviation_);
  period_ += rate * (counted - period_);
}

void ModelResidency::OnHint(uint32_t unit, uint64_t clock) {
  const Unit& entry = units_[unit];
  const uint64_t until = clock + static_cast<uint64_t>(period_) + 1;
  if (entry.group == kDense) {
    dense_[entry.index].hinted_until = until;
    return;
  }
  Group& group = groups_[entry.group];
  if (group.hinted_until[entry.index] == 0) ++group.hinted_count;
  group.hinted_until[entry.index] = until;
  SetBias(group, entry.index, group.bias[entry.index] != kNotHeld);
}

void ModelResidency::SetBias(Group& group, uint32_t index, bool held) {
  const float hint = group.hinted_until[index] != 0 ? kHintBonus * group.savings[index] : 0;
  group.bias[index] = held ? hint : kNotHeld;
  group.is_cheapest_known = false;
}

void ModelResidency::EndHint(Group& group, uint32_t index) {
  if (group.hinted_until[index] == 0) return;
  group.hinted_until[index] = 0;
  --group.hinted_count;
  SetBias(group, index, group.bias[index] != kNotHeld);
}

void ModelResidency::ExpireHints(Group& group, uint64_t clock) {
  for (uint32_t i = 0; i < group.units.size() && group.hinted_count > 0; ++i) {
    if (group.hinted_until[i] < clock) EndHint(group, i);
  }
}

void ModelResidency::OnPreload(uint32_t unit, uint64_t clock) {
  const Unit& entry = units_[unit];
  if (entry.group == kDense) {
    dense_[entry.index].last_use = clock;
  } else {
    groups_[entry.group].step_begin = clock;
  }
}

void ModelResidency::SetHeld(uint32_t unit, bool held) {
  const Unit& entry = units_[unit];
  if (entry.group == kDense) {
    dense_[entry.index].held = held;
    return;
  }
  SetBias(groups_[entry.group], entry.index, held);
}

void ModelResidency::SetSaving(uint32_t unit, float saving) {
  const Unit& entry = units_[unit];
  if (entry.group == kDense) {
    dense_[entry.index].saving = saving;
    return;
  }
  Group& group = groups_[entry.group];
  group.savings[entry.index] = saving;
  SetBias(group, entry.index, group.bias[entry.index] != kNotHeld);
}

double ModelResidency::WorthOfPass(uint64_t last_use, uint64_t clock) const {
  return 1 / std::max(period_,
                      static_cast<double>(clock - last_use) / (kOverdue + kPatience * deviation_));
}

double ModelResidency::Worth(uint32_t unit, uint64_t clock) const {
  const Unit& entry = units_[unit];
  if (entry.group == kDense) {
    const Dense& dense = dense_[entry.index];
    const double bonus = dense.hinted_until >= clock && dense.hinted_until != 0 ? kHintBonus : 0;
    return (1 + bonus) * dense.saving * WorthOfPass(dense.last_use, clock);
  }
  const Group& group = groups_[entry.group];
  const float bonus = group.hinted_until[entry.index] != 0 ? kHintBonus : 0;
  return WorthOfPass(group.step_begin, clock) * group.savings[entry.index] *
         (predictor_.Chances(entry.group)[entry.index] + bonus);
}

void ModelResidency::FindCheapestOf(Group& group, uint32_t group_index) const {
  const float* const chances = predictor_.Chances(group_index).data();
  const float* const savings = group.savings.data();
  const float* const bias = group.bias.data();
  const auto count = static_cast<uint32_t>(group.units.size());
  float least = kNotHeld;  // two loops: the first is a vector's, the second ends early
  for (uint32_t i = 0; i < count; ++i) {
    least = std::min(least, chances[i] * savings[i] + bias[i]);
  }
  uint32_t index = 0;
  while (index + 1 < count && chances[index] * savings[index] + bias[index] > least) ++index;
  group.cheapest = index;
  group.cheapest_saved = least;
  group.is_cheapest_known = true;
}

bool ModelResidency::FindCheaper(uint64_t clock, Candidate* cheapest) {
  bool found = false;
  const auto consider = [&](const Candidate& candidate) {
    if (!candidate.IsCheaperThan(*cheapest)) return;
    *cheapest = candidate;
    found = true;
  };
  for (const Dense& dense : dense_) {
    if (dense.held) consider({Worth(dense.unit, clock), dense.last_use, dense.unit});
  }
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    if (!group.is_cheapest_known) FindCheapestOf(group, g);
    if (group.cheapest_saved == kNotHeld) continue;
    consider({WorthOfPass(group.step_begin, clock) * group.cheapest_saved, group.step_begin,
              group.units[group.cheapest]});
  }
  return found;
}

std::vector<float> ModelResidency::Chances() const {
  std::vector<float> chances(units_.size(), 0);
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    const auto of_group = predictor_.Chances(g);
    for (size_t i = 0; i < of_group.size(); ++i) chances[groups_[g].units[i]] = of_group[i];
  }
  return chances;
}

void ModelResidency::Seed(absl::Span<const float> chances) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    std::vector<float> of_group;
    for (const uint32_t unit : groups_[g].units) of_group.push_back(chances[unit]);
    predictor_.Seed(g, of_group);
    groups_[g].is_cheapest_known = false;
  }
}

}  // namespace ecf8
