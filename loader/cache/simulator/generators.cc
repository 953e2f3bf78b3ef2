#include "loader/cache/simulator/generators.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

// std's distributions differ from library to library; the engine does not.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // [0, 1)
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(Unit() * limit); }

  void Shuffle(std::vector<uint32_t>& values) {
    for (size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1], values[Below(static_cast<uint32_t>(i))]);
    }
  }

 private:
  std::mt19937_64 engine_;
};

// Draws places 0..n-1 by given weights.
class Places {
 public:
  explicit Places(const std::vector<double>& weights) {
    std::partial_sum(weights.begin(), weights.end(), std::back_inserter(cumulative_));
  }

  uint32_t Draw(Random& random) const {
    const double at = random.Unit() * cumulative_.back();
    const auto place = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
    return static_cast<uint32_t>(
        std::min<size_t>(static_cast<size_t>(place - cumulative_.begin()), cumulative_.size() - 1));
  }

 private:
  std::vector<double> cumulative_;
};

// kLocality: the experts 0 to 15 of a layer are favourites for so much of the draws.
constexpr uint32_t kHotExperts = 16;
constexpr double kHotShare = 0.015;

std::vector<double> ZipfWeights(uint32_t experts, double skew) {
  std::vector<double> weights;
  for (uint32_t r = 1; r <= experts; ++r) weights.push_back(std::pow(r, -skew));
  return weights;
}

// By place in the order of last use: the places up to 8 are the token before, the others' weights
// fall off in steps. That an expert drawn twice is drawn anew lowers the first step's part; fitted
// with kHotShare to the published figures, which a test measures.
std::vector<double> LocalityWeights(uint32_t experts) {
  struct Step {
    uint32_t end;
    double share;
  };
  constexpr Step kSteps[] = {{8, 0.469}, {64, 0.243}, {128, 0.122}, {256, 0.166}};
  std::vector<double> weights;
  for (const Step& step : kSteps) {
    const auto begin = static_cast<uint32_t>(weights.size());
    const uint32_t end = std::min(step.end, experts);
    weights.resize(end, step.share / std::max(end - begin, 1u));
  }
  return weights;
}

class TraceGenerator {
 public:
  TraceGenerator(const ExpertShape& shape, const ExpertTraffic& traffic, uint64_t seed)
      : shape_(shape),
        traffic_(traffic),
        random_(seed),
        places_(traffic.kind == ExpertTraffic::Kind::kZipf
                    ? ZipfWeights(shape.experts, traffic.skew)
                    : LocalityWeights(shape.experts)),
        orders_(shape.layers, std::vector<uint32_t>(shape.experts)) {
    for (std::vector<uint32_t>& order : orders_) std::iota(order.begin(), order.end(), 0);
    BuildModel();
  }

  GeneratedTrace Generate(uint32_t tokens) {
    for (uint32_t token = 0; token < tokens; ++token) {
      const bool drift = traffic_.drift_tokens != 0 && token % traffic_.drift_tokens == 0;
      if (token == 0) {
        BeginPhase(1);
      } else if (drift) {
        BeginPhase(traffic_.drift_share);
      }
      if (traffic_.scan_tokens != 0 && token % traffic_.scan_tokens == traffic_.scan_tokens / 2) {
        Pass(true);
      }
      Pass(false);
    }
    return std::move(result_);
  }

 private:
  uint32_t units_per_layer() const { return shape_.experts + (shape_.dense_bytes > 0 ? 1 : 0); }
  uint32_t ExpertUnit(uint32_t layer, uint32_t expert) const {
    return (layer + 1) * units_per_layer() - shape_.experts + expert;
  }

  void BuildModel() {
    TraceModel model;
    model.digest = 1;
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
      if (shape_.dense_bytes > 0) {
        model.units.push_back(
            {absl::StrCat("layers.", layer), shape_.dense_bytes, shape_.dense_bytes, layer, false});
      }
      for (uint32_t expert = 0; expert < shape_.experts; ++expert) {
        model.units.push_back({absl::StrCat("layers.", layer, ".experts.", expert),
                               shape_.expert_bytes, shape_.expert_bytes, layer, true});
      }
    }
    result_.trace.models.push_back(std::move(model));
  }

  void BeginPhase(double share) {
    for (std::vector<uint32_t>& order : orders_) Exchange(order, share);
    if (traffic_.kind != ExpertTraffic::Kind::kZipf) return;
    Phase phase;
    phase.first_record = result_.trace.records.size();
    for (uint32_t rank = 0; rank < shape_.experts; ++rank) {
      for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        phase.likeliest.push_back(ExpertUnit(layer, orders_[layer][rank]));
      }
    }
    result_.phases.push_back(std::move(phase));
  }

  // Shuffles what is at a random `share` of the ranks.
  void Exchange(std::vector<uint32_t>& order, double share) {
    std::vector<uint32_t> ranks, experts;
    for (uint32_t rank = 0; rank < order.size(); ++rank) {
      if (random_.Unit() >= share) continue;
      ranks.push_back(rank);
      experts.push_back(order[rank]);
    }
    random_.Shuffle(experts);
    for (size_t i = 0; i < ranks.size(); ++i) order[ranks[i]] = experts[i];
  }

  void Use(uint32_t unit) {
    result_.trace.records.push_back({++time_us_, unit, 0, Access::kDemand});
  }

  void Pass(bool all_experts) {
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
      if (shape_.dense_bytes > 0) Use(layer * units_per_layer());
      if (shape_.experts == 0) continue;
      if (all_experts) {
        for (uint32_t expert = 0; expert < shape_.experts; ++expert) Use(ExpertUnit(layer, expert));
        continue;
      }
      for (const uint32_t expert : ChooseExperts(orders_[layer])) Use(ExpertUnit(layer, expert));
    }
  }

  uint32_t DrawPlace(const std::vector<uint32_t>& order) {
    if (traffic_.kind == ExpertTraffic::Kind::kZipf || random_.Unit() >= kHotShare) {
      return places_.Draw(random_);
    }
    const uint32_t favourite = random_.Below(std::min(kHotExperts, shape_.experts));
    return static_cast<uint32_t>(std::find(order.begin(), order.end(), favourite) - order.begin());
  }

  // As one layer's router would: distinct ones, in no order.
  const std::vector<uint32_t>& ChooseExperts(std::vector<uint32_t>& order) {
    chosen_places_.clear();
    while (chosen_places_.size() < std::min(shape_.experts_per_token, shape_.experts)) {
      const uint32_t place = DrawPlace(order);
      if (std::find(chosen_places_.begin(), chosen_places_.end(), place) == chosen_places_.end()) {
        chosen_places_.push_back(place);
      }
    }
    chosen_.clear();
    for (const uint32_t place : chosen_places_) chosen_.push_back(order[place]);
    if (traffic_.kind == ExpertTraffic::Kind::kLocality) MoveToFront(order);
    return chosen_;
  }

  void MoveToFront(std::vector<uint32_t>& order) const {
    std::stable_partition(order.begin(), order.end(), [this](uint32_t expert) {
      return std::find(chosen_.begin(), chosen_.end(), expert) != chosen_.end();
    });
  }

  const ExpertShape shape_;
  const ExpertTraffic traffic_;
  Random random_;
  const Places places_;
  std::vector<std::vector<uint32_t>> orders_;  // a layer's experts: by probability, or by last use
  std::vector<uint32_t> chosen_places_, chosen_;
  uint64_t time_us_ = 0;
  GeneratedTrace result_;
};

// Where each pass over a trace's one model begins, and the end: a pass ends where the walk goes
// back.
std::vector<size_t> PassBegins(const Trace& trace) {
  std::vector<size_t> begins = {0};
  const std::vector<TraceUnit>& units = trace.models[0].units;
  for (size_t i = 1; i < trace.records.size(); ++i) {
    const uint32_t unit = trace.records[i].unit, before = trace.records[i - 1].unit;
    const bool back = units[unit].layer < units[before].layer;
    if (back || (!units[unit].expert && unit <= before)) begins.push_back(i);
  }
  begins.push_back(trace.records.size());
  return begins;
}

}  // namespace

GeneratedTrace GenerateExpertTrace(const ExpertShape& shape, const ExpertTraffic& traffic,
                                   uint32_t tokens, uint64_t seed) {
  return TraceGenerator(shape, traffic, seed).Generate(tokens);
}

Trace GenerateCyclicTrace(uint32_t units, uint64_t unit_bytes, uint32_t passes) {
  ExpertShape shape;
  shape.layers = units;
  shape.experts = 0;
  shape.dense_bytes = unit_bytes;
  return GenerateExpertTrace(shape, {}, passes, 0).trace;
}

Trace MixTraces(const Trace& a, const Trace& b, uint32_t run_passes, double share_of_a,
                uint64_t seed) {
  const Trace* const sources[] = {&a, &b};
  const std::vector<size_t> begins[] = {PassBegins(a), PassBegins(b)};
  size_t next[] = {0, 0};
  Random random(seed);
  Trace mixed;
  mixed.models = {a.models[0], b.models[0]};
  mixed.models[1].digest = 2;
  for (uint64_t pass = 0;; ++pass) {
    const bool second = run_passes == 1 ? random.Unit() >= share_of_a : pass / run_passes % 2 == 1;
    const size_t source = second ? 1 : 0;
    if (next[source] + 1 >= begins[source].size()) return mixed;
    const size_t begin = begins[source][next[source]], end = begins[source][next[source] + 1];
    ++next[source];
    for (size_t i = begin; i < end; ++i) {
      TraceRecord record = sources[source]->records[i];
      record.time_us = mixed.records.size() + 1;
      record.model = static_cast<uint16_t>(source);
      mixed.records.push_back(record);
    }
  }
}

}  // namespace ecf8
