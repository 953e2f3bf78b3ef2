#include "loader/checkpoint/unit_plan.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/checkpoint/fused_experts.h"
#include "loader/checkpoint/unit_names.h"

namespace ecf8 {
namespace {

// Units that stay together in one shard: those that share tensors, or a single one.
using UnitRun = std::vector<PlannedUnit>;

Codec CodecHint(DType dtype) {
  if (dtype == DType::kF8E4M3) return Codec::kE4M3;
  if (dtype == DType::kF8E5M2) return Codec::kE5M2;
  return Codec::kRaw;
}

PlannedPiece MakePiece(const std::vector<PlanTensor>& tensors, uint32_t tensor,
                       uint64_t offset_bytes, uint64_t size_bytes) {
  PlannedPiece piece;
  piece.tensor = tensor;
  piece.tensor_offset_bytes = offset_bytes;
  piece.size_bytes = size_bytes;
  piece.codec_hint = CodecHint(tensors[tensor].dtype);
  return piece;
}

// 0 for coded pieces, then less for wider elements.
int StorageRank(const PlannedPiece& piece, DType dtype) {
  if (piece.codec_hint != Codec::kRaw) return 0;
  return 65 - std::max(DTypeBits(dtype), 8);
}

// Packs pieces into units of at most kMaxUnitDecodedBytes, in order. A piece larger than that is
// cut.
class UnitPacker {
 public:
  UnitPacker(const std::vector<PlanTensor>& tensors, std::string id, bool shares_tensors)
      : tensors_(tensors), id_(std::move(id)), shares_tensors_(shares_tensors) {}

  void Add(const PlannedPiece& piece) {
    if (piece.size_bytes > kMaxUnitDecodedBytes) {
      AddCut(piece);
      return;
    }
    if (open_.decoded_size_bytes + piece.size_bytes > kMaxUnitDecodedBytes) CloseUnit();
    Append(piece);
  }

  // The units, named; each cut piece's are one run.
  std::vector<UnitRun> Finish() {
    CloseUnit();
    size_t unit_count = 0;
    for (const UnitRun& run : runs_) unit_count += run.size();
    size_t number = 0;
    for (UnitRun& run : runs_) {
      for (PlannedUnit& unit : run) {
        unit.id = unit_count == 1 ? id_ : absl::StrCat(id_, "#", number++);
      }
    }
    return std::move(runs_);
  }

 private:
  void Append(const PlannedPiece& piece) {
    open_.pieces.push_back(piece);
    open_.decoded_size_bytes += piece.size_bytes;
  }

  void AddCut(const PlannedPiece& piece) {
    CloseUnit();
    UnitRun run;
    for (uint64_t done = 0; done < piece.size_bytes; done += kMaxUnitDecodedBytes) {
      const uint64_t size_bytes = std::min(kMaxUnitDecodedBytes, piece.size_bytes - done);
      Append(MakePiece(tensors_, piece.tensor, piece.tensor_offset_bytes + done, size_bytes));
      open_.shares_tensors = true;
      run.push_back(std::exchange(open_, PlannedUnit()));
    }
    runs_.push_back(std::move(run));
  }

  void CloseUnit() {
    if (open_.pieces.empty()) return;
    std::stable_sort(open_.pieces.begin(), open_.pieces.end(),
                     [this](const PlannedPiece& a, const PlannedPiece& b) {
                       return StorageRank(a, tensors_[a.tensor].dtype) <
                              StorageRank(b, tensors_[b.tensor].dtype);
                     });
    open_.shares_tensors = shares_tensors_;
    runs_.push_back({std::exchange(open_, PlannedUnit())});
  }

  const std::vector<PlanTensor>& tensors_;
  const std::string id_;
  const bool shares_tensors_;
  PlannedUnit open_;
  std::vector<UnitRun> runs_;
};

// All units of a layer's fused experts: one run.
UnitRun PlanFusedExperts(const std::vector<PlanTensor>& tensors, const UnitKey& layer,
                         const FusedExperts& fused) {
  UnitRun result;
  for (uint64_t expert = 0; expert < fused.expert_count; ++expert) {
    UnitKey key = layer;
    key.expert = static_cast<int64_t>(expert);
    UnitPacker packer(tensors, key.Id(), /*shares_tensors=*/true);
    for (const uint32_t tensor : fused.tensors) {
      const uint64_t slice_bytes = tensors[tensor].size_bytes / fused.expert_count;
      packer.Add(MakePiece(tensors, tensor, expert * slice_bytes, slice_bytes));
    }
    for (UnitRun& run : packer.Finish())
      std::move(run.begin(), run.end(), std::back_inserter(result));
  }
  return result;
}

// Every run of the model, in walk order.
std::vector<UnitRun> PlanRuns(const std::vector<PlanTensor>& tensors) {
  std::vector<NamedSize> names;
  names.reserve(tensors.size());
  for (const PlanTensor& tensor : tensors) names.push_back({tensor.name, tensor.size_bytes});
  const std::vector<UnitKey> keys = AssignUnits(names);
  const std::map<UnitKey, FusedExperts> fused_of = FindFusedExperts(tensors, keys);

  std::vector<bool> is_fused(tensors.size());
  for (const auto& [key, fused] : fused_of) {
    for (const uint32_t tensor : fused.tensors) is_fused[tensor] = true;
  }
  std::map<UnitKey, std::vector<uint32_t>> groups;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    std::vector<uint32_t>& group = groups[keys[i]];  // also where all of a layer is fused
    if (!is_fused[i]) group.push_back(i);
  }

  std::vector<UnitRun> runs;
  for (const auto& [key, group] : groups) {
    UnitPacker packer(tensors, key.Id(), /*shares_tensors=*/false);
    for (const uint32_t i : group) packer.Add(MakePiece(tensors, i, 0, tensors[i].size_bytes));
    for (UnitRun& run : packer.Finish()) runs.push_back(std::move(run));
    if (const auto fused = fused_of.find(key); fused != fused_of.end()) {
      runs.push_back(PlanFusedExperts(tensors, key, fused->second));
    }
  }
  return runs;
}

}  // namespace

std::vector<PlannedShard> PlanUnits(const std::vector<PlanTensor>& tensors,
                                    uint64_t shard_size_bytes) {
  std::vector<PlannedShard> shards;
  uint64_t shard_bytes = 0;
  for (UnitRun& run : PlanRuns(tensors)) {
    uint64_t run_bytes = 0;
    for (const PlannedUnit& unit : run) run_bytes += unit.decoded_size_bytes;
    if (shards.empty() || shard_bytes + run_bytes > shard_size_bytes) {
      shards.emplace_back();
      shard_bytes = 0;
    }
    shard_bytes += run_bytes;
    std::vector<PlannedUnit>& units = shards.back().units;
    std::move(run.begin(), run.end(), std::back_inserter(units));
  }
  return shards;
}

}  // namespace ecf8
