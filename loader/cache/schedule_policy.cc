#include "loader/cache/schedule_policy.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loader/cache/expert_predictor.h"

namespace ecf8 {
namespace {

constexpr float kNotHeld = std::numeric_limits<float>::infinity();

class SchedulePolicy : public CachePolicy {
 public:
  explicit SchedulePolicy(uint64_t budget_bytes) : budget_bytes_(budget_bytes) {}
  ~SchedulePolicy() {
    if (getenv("SHOW")) for (auto& [id, m] : models_) if (m.predictor) {
      for (double w : m.predictor->weights()) fprintf(stderr, "%.3f ", w);
      fprintf(stderr, "\n");
    }
  }

  void AddModel(const ModelWalk& walk) override {
    Model& model = models_[walk.model];
    model.units = walk.units;
    model.members.resize(walk.units.size());
    std::map<uint32_t, uint32_t> groups;
    std::vector<uint32_t> counts;
    for (uint32_t i = 0; i < walk.units.size(); ++i) {
      const ModelWalk::Unit& unit = walk.units[i];
      if (!unit.expert) {
        model.members[i] = {kDense, static_cast<uint32_t>(model.dense.size())};
        model.dense.push_back({i});
        continue;
      }
      const auto [it, added] = groups.emplace(unit.layer, static_cast<uint32_t>(counts.size()));
      if (added) { counts.push_back(0); model.groups.emplace_back(); }
      Group& group = model.groups[it->second];
      model.members[i] = {it->second, counts[it->second]++};
      group.units.push_back(i);
      group.held.push_back(kNotHeld); group.used_in.push_back(0);
    }
    model.predictor = std::make_unique<ExpertPredictor>(counts);
    model.period = static_cast<double>(model.dense.size() + 8 * model.groups.size());
  }

  void RemoveModel(uint32_t model) override { models_.erase(model); }

  void OnAccess(const CacheUnit& unit, Access access, bool hit) override {
    (void)hit;
    if (access != Access::kDemand) return;
    ++now_;
    Model& model = models_.at(unit.model);
    const Member member = model.members[CacheKeyUnit(unit.key)];
    ++model.accesses;
    if (member.group == kDense) {
      Dense& dense = model.dense[member.index];
      Tick(model, dense.last);
      dense.last = now_;
    } else {
      Group& group = model.groups[member.group];
      const uint64_t gap = (model.groups.size() + model.dense.size()) / 2;
      const bool left = model.accesses - group.last_access > std::max<uint64_t>(gap, 1);
      const bool again = group.used_in[member.index] == group.step && group.step != 0;
      if (left || again || group.step == 0) {
        Tick(model, group.step_begin);
        group.step_begin = now_;
        ++group.step;
        model.predictor->BeginStep(member.group);
        RefreshHeld(model, member.group);
      }
      group.last_access = model.accesses;
      group.last = now_;
      group.used_in[member.index] = group.step;
      model.predictor->Record(member.group, member.index);
      if (group.held[member.index] != kNotHeld) {
        group.held[member.index] = model.predictor->Chances(member.group)[member.index];
        group.dirty = true;
      }
    }
  }

  bool Admit(const CacheUnit& unit, uint64_t missing_bytes, bool must,
             const std::function<bool(uint64_t)>& can_evict,
             std::vector<uint64_t>* victims) override {
    if (missing_bytes == 0) return true;
    uint64_t freed = 0;
    const double worth = ValueOf(unit.key) * static_cast<double>(unit.size_bytes);
    double lost = 0;
    std::vector<std::pair<uint64_t, float>> excluded;
    bool ok = true;
    while (freed < missing_bytes) {
      const Candidate candidate = Cheapest();
      if (candidate.value == std::numeric_limits<double>::infinity()) { ok = false; break; }
      const uint64_t size = SizeOf(candidate.key);
      if (!must && lost + candidate.value * static_cast<double>(size) >= worth) { ok = false; break; }
      excluded.emplace_back(candidate.key, Exclude(candidate.key));
      if (!can_evict(candidate.key)) continue;
      victims->push_back(candidate.key);
      freed += size;
      lost += candidate.value * static_cast<double>(size);
    }
    for (auto& [key, value] : excluded) Include(key, value);
    if (!ok) victims->clear();
    return ok;
  }

  void OnInsert(const CacheUnit& unit) override {
    Model& model = models_.at(unit.model);
    const Member member = model.members[CacheKeyUnit(unit.key)];
    if (member.group == kDense) { model.dense[member.index].held = true; return; }
    Group& group = model.groups[member.group];
    group.held[member.index] = model.predictor->Chances(member.group)[member.index];
    group.dirty = true;
  }
  void OnEvict(uint64_t key) override { Exclude(key); }

 private:
  static constexpr uint32_t kDense = ~uint32_t{0};
  struct Member { uint32_t group, index; };
  struct Dense { uint32_t unit = 0; uint64_t last = 0; bool held = false; };
  struct Group {
    std::vector<uint32_t> units;
    std::vector<float> held;  // chance where held
    std::vector<uint32_t> used_in;
    uint32_t step = 0;
    uint64_t step_begin = 0, last_access = 0, last = 0;
    bool dirty = true;
    float least = kNotHeld;
    uint32_t least_index = 0;
  };
  struct Model {
    std::vector<ModelWalk::Unit> units;
    std::vector<Member> members;
    std::vector<Dense> dense;
    std::vector<Group> groups;
    std::unique_ptr<ExpertPredictor> predictor;
    uint64_t accesses = 0;
    double period = 1;
    uint64_t ticks = 0;
  };
  struct Candidate {
    double value = std::numeric_limits<double>::infinity();
    uint64_t last = 0;
    uint64_t key = 0;
  };

  void Tick(Model& model, uint64_t last) {
    if (last == 0) return;
    const double steps = static_cast<double>(model.dense.size() + model.groups.size());
    ++model.ticks;
    const double alpha = std::max(1.0 / (8 * steps), 1.0 / static_cast<double>(model.ticks));
    const double interval = static_cast<double>(now_ - last);
    if (model.ticks > 1)
      model.period += alpha * (std::min(interval, 4 * model.period) - model.period);
    else model.period = interval;
  }
  double DenseValue(const Model& model, const Dense& dense) const {
    return 1 / std::max(model.period, static_cast<double>(now_ - dense.last) / 2);
  }
  double GroupRate(const Model& model, const Group& group) const {
    return 1 / std::max(model.period, static_cast<double>(now_ - group.last) / 2);
  }
  double ValueOf(uint64_t key) const {
    const Model& model = models_.at(CacheKeyModel(key));
    const Member member = model.members[CacheKeyUnit(key)];
    if (member.group == kDense) return DenseValue(model, model.dense[member.index]);
    return GroupRate(model, model.groups[member.group]) *
           model.predictor->Chances(member.group)[member.index];
  }
  uint64_t SizeOf(uint64_t key) const {
    return models_.at(CacheKeyModel(key)).units[CacheKeyUnit(key)].size_bytes;
  }
  float Exclude(uint64_t key) {
    Model& model = models_.at(CacheKeyModel(key));
    const Member member = model.members[CacheKeyUnit(key)];
    if (member.group == kDense) { model.dense[member.index].held = false; return 0; }
    Group& group = model.groups[member.group];
    group.dirty = true;
    return std::exchange(group.held[member.index], kNotHeld);
  }
  void Include(uint64_t key, float value) {
    Model& model = models_.at(CacheKeyModel(key));
    const Member member = model.members[CacheKeyUnit(key)];
    if (member.group == kDense) { model.dense[member.index].held = true; return; }
    Group& group = model.groups[member.group];
    group.dirty = true;
    group.held[member.index] = value;
  }
  void RefreshHeld(Model& model, uint32_t g) {
    Group& group = model.groups[g];
    const auto chances = model.predictor->Chances(g);
    for (size_t i = 0; i < chances.size(); ++i)
      group.held[i] = group.held[i] == kNotHeld ? kNotHeld : chances[i];
    group.dirty = true;
  }
  Candidate Cheapest() {
    Candidate best;
    for (auto& [id, model] : models_) {
      for (const Dense& dense : model.dense) {
        if (!dense.held) continue;
        const double value = DenseValue(model, dense);
        if (value < best.value || (value == best.value && dense.last > best.last))
          best = {value, dense.last, CacheKey(id, dense.unit)};
      }
      for (Group& group : model.groups) {
        if (group.dirty) {
          group.least = kNotHeld;
          for (uint32_t i = 0; i < group.held.size(); ++i)
            if (group.held[i] < group.least) { group.least = group.held[i]; group.least_index = i; }
          group.dirty = false;
        }
        if (group.least == kNotHeld) continue;
        const double value = GroupRate(model, group) * group.least;
        if (value < best.value) best = {value, group.last, CacheKey(id, group.units[group.least_index])};
      }
    }
    return best;
  }

  const uint64_t budget_bytes_;
  std::map<uint32_t, Model> models_;
  uint64_t now_ = 0;
};

}  // namespace

std::unique_ptr<CachePolicy> MakeSchedulePolicy(uint64_t budget_bytes) {
  return std::make_unique<SchedulePolicy>(budget_bytes);
}

}  // namespace ecf8
