// The shape of a model that is there, compressed: its own sizes in place of those that its
// config.json lets expect.
#include <string_view>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/checkpoint/unit_place.h"
#include "loader/planning/model_shape.h"

namespace ecf8 {
namespace {

struct UnitSize {
  PartShape shape;
  uint64_t coded_stored_bytes = 0;  // tables included
};

UnitSize SizeOf(const Unit& unit) {
  UnitSize size;
  uint64_t plain_stored_bytes = 0;
  for (const Piece& piece : unit.pieces) {
    if (piece.codec == Codec::kRaw) {
      size.shape.plain_bytes += piece.decoded_size_bytes;
      plain_stored_bytes += piece.stored_size_bytes;
    } else {
      size.shape.coded_weights += piece.decoded_size_bytes;
    }
  }
  size.coded_stored_bytes = unit.stored_size_bytes - plain_stored_bytes;
  return size;
}

}  // namespace

absl::StatusOr<ModelShape> ShapeOfModel(const CompressedModel& model, std::string_view config) {
  ModelShape shape;
  PartShape experts;
  uint64_t coded_stored_bytes = 0;
  uint64_t expert_units = 0;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const Unit& unit = model.unit(i);
    const UnitSize size = SizeOf(unit);
    coded_stored_bytes += size.coded_stored_bytes;
    if (PlaceOfUnit(unit.id).expert) {
      experts += size.shape;
      ++expert_units;
    } else if (unit.id.starts_with("embed")) {
      shape.lookup += size.shape;
    } else {
      shape.every_token += size.shape;
    }
  }
  const uint64_t weights =
      shape.lookup.coded_weights + shape.every_token.coded_weights + experts.coded_weights;
  if (!config.empty() || expert_units > 0) {
    ECF8_ASSIGN_OR_RETURN(const ModelShape expected, ShapeOfConfig(config));
    shape.layers = expected.layers;
    shape.expert_layers = expected.expert_layers;
    shape.experts = expected.experts;
    shape.experts_per_token = expected.experts_per_token;
    shape.cache_token_bytes = expected.cache_token_bytes;
    if (expected.lookup == PartShape{}) {  // tied: the head is the embedding, read whole
      shape.every_token += shape.lookup;
      shape.lookup = {};
    }
  }
  if (expert_units > 0) {
    if (shape.experts == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the model has experts, and its config.json says nothing of them"));
    }
    shape.expert = {experts.coded_weights / expert_units, experts.plain_bytes / expert_units};
    shape.expert_layers = static_cast<uint32_t>(expert_units / shape.experts);
  }
  if (weights > 0) {
    shape.bits_per_weight =
        8 * static_cast<double>(coded_stored_bytes) / static_cast<double>(weights);
  }
  shape.name = model.name();
  return shape;
}

}  // namespace ecf8
