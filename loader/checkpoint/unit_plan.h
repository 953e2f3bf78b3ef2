// Which units and output shards the tensors of a model become.
//
// Tensors of one UnitKey form one unit. Two things make it several:
// - Size. A unit is at most 256 MiB decoded; what is larger becomes "id#0", "id#1", ... Whole
// tensors
//   are packed in the order given, each into the open unit or, where it does not fit, into a new
//   one. A tensor larger than that has units of its own, cut at multiples of 256 MiB, with nothing
//   else in them.
// - Fused experts: FP8 tensors of shape [E, a, b] that hold all experts of a layer
//   ("model.layers.3.mlp.experts.gate_up_proj"), and with them every other tensor [E, ...] of those
//   experts (scales, biases). Expert e's slice of each forms the unit "layers.3.experts.<e>". Only
//   where all those FP8 tensors agree on E >= 2, no expert of the layer is numbered in a name, the
//   slices of an expert have 4 KiB or more and those of the layer 1 MiB or more: units of a few
//   bytes would cost more than they bring, and a hostile shape must not make a million of them.
#ifndef ECF8_LOADER_CHECKPOINT_UNIT_PLAN_H_
#define ECF8_LOADER_CHECKPOINT_UNIT_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"
#include "loader/checkpoint/dtype.h"

namespace ecf8 {

// Of the tensors' bytes; the gaps of the decoded layout are not counted.
inline constexpr uint64_t kMaxUnitDecodedBytes = 256ull << 20;

// A tensor to plan for. The views must outlive the call of PlanUnits only.
struct PlanTensor {
  std::string_view name;
  DType dtype = DType::kU8;
  absl::Span<const uint64_t> shape;
  uint64_t size_bytes = 0;
};

// A tensor of a unit, or the part of one that the unit holds.
struct PlannedPiece {
  uint32_t tensor = 0;               // index in the list given
  uint64_t tensor_offset_bytes = 0;  // of this piece in the tensor
  uint64_t size_bytes = 0;
  Codec codec_hint = Codec::kRaw;  // kE4M3 for F8_E4M3, kE5M2 for F8_E5M2, else kRaw
};

struct PlannedUnit {
  std::string id;
  // FP8 first; then raw ones by decreasing alignment of their elements (8, 4, 2, 1 bytes); the
  // order given otherwise. Coded bytes are a multiple of 16, so raw tensors, packed without gaps,
  // stay aligned to their elements. Tensors without elements are pieces of size 0.
  std::vector<PlannedPiece> pieces;
  uint64_t decoded_size_bytes = 0;  // the sum of the pieces
  // Holds a part of a tensor that other units hold parts of too. Such units hold nothing but parts
  // of shared tensors, and those that share one are neighbours in one shard: a run.
  bool shares_tensors = false;
};

struct PlannedShard {
  std::vector<PlannedUnit> units;
};

// Every byte of every tensor is in just one piece. Units are in walk order (UnitKey's), through all
// shards; their ids are valid and differ. A shard ends before the unit (or the run of units that
// share tensors) with which its pieces would exceed `shard_size_bytes`; a single one may be larger.
// No tensors, no shards.
std::vector<PlannedShard> PlanUnits(const std::vector<PlanTensor>& tensors,
                                    uint64_t shard_size_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_UNIT_PLAN_H_
