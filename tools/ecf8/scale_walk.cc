#include "tools/ecf8/scale_walk.h"

#include <thread>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/checkpoint/unit_place.h"

namespace ecf8 {
namespace {

constexpr std::chrono::seconds kTimeout(30);

}  // namespace

std::vector<ScaleLayer> ListScaleLayers(const CompressedModel& model, uint32_t layers) {
  std::vector<ScaleLayer> result(layers + 1);
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const std::string_view id = model.unit(i).id;
    const UnitPlace place = PlaceOfUnit(id);
    const bool is_layer = id.starts_with("layers.");
    if (id.starts_with("embed") || (is_layer && place.layer >= layers)) continue;
    ScaleLayer& layer = result[is_layer ? place.layer : layers];
    (place.expert ? layer.experts : layer.dense).push_back(i);
  }
  return result;
}

absl::StatusOr<std::unique_ptr<ScaleWalk>> ScaleWalk::Open(const ScaleWalkOptions& options) {
  std::unique_ptr<ScaleWalk> self(new ScaleWalk(options));
  ECF8_ASSIGN_OR_RETURN(self->client_, WeightClient::Connect(options.address, kTimeout));
  SessionClientOptions session{.model = options.model,
                               .cyclic = true,
                               .depth = options.depth,
                               .slot_bytes = options.slot_bytes};
  for (const ScaleLayer& layer : options.layers) {
    session.walk.insert(session.walk.end(), layer.dense.begin(), layer.dense.end());
  }
  const auto begin = std::chrono::steady_clock::now();
  ECF8_ASSIGN_OR_RETURN(self->session_,
                        SessionClient::Open(*self->client_, options.address, session));
  self->open_seconds_ = SecondsSince(begin);
  return self;
}

absl::StatusOr<LeasedSet> ScaleWalk::Acquire(const std::vector<uint32_t>& units, Samples* us) {
  const auto begin = std::chrono::steady_clock::now();
  ECF8_ASSIGN_OR_RETURN(LeasedSet set, session_->Acquire(units));
  us->push_back(1e6 * SecondsSince(begin));
  if (options_.use) ECF8_RETURN_IF_ERROR(options_.use(set));
  return set;
}

absl::Status ScaleWalk::Token(absl::Span<const std::vector<uint32_t>> experts) {
  size_t routed = 0;
  for (const ScaleLayer& layer : options_.layers) {
    LeasedSet dense;
    if (!layer.dense.empty()) {
      ECF8_ASSIGN_OR_RETURN(dense, Acquire(layer.dense, &dense_us_));
    }
    LeasedSet chosen;
    if (!layer.experts.empty()) {
      std::vector<uint32_t> units;
      for (const uint32_t expert : experts[routed++]) units.push_back(layer.experts[expert]);
      ECF8_ASSIGN_OR_RETURN(chosen, Acquire(units, &expert_us_));
    }
    if (options_.layer_compute.count() > 0) std::this_thread::sleep_for(options_.layer_compute);
    if (chosen.leased()) ECF8_RETURN_IF_ERROR(chosen.Release());
    if (dense.leased()) ECF8_RETURN_IF_ERROR(dense.Release());
  }
  return absl::OkStatus();
}

}  // namespace ecf8
