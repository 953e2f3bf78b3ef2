#include "loader/checkpoint/fused_experts.h"

#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

namespace ecf8 {
namespace {

constexpr uint64_t kMinExpertBytes = 4096;       // of all slices of one expert
constexpr uint64_t kMinFusedBytes = 1ull << 20;  // of all fused tensors of a layer

// True for a tensor of a layer's experts that names no single one. (The key of one that does has
// its number.)
bool IsOfExperts(const PlanTensor& tensor, const UnitKey& key) {
  if (key.layer == UnitKey::kNone) return false;
  constexpr std::string_view kWord = "experts";
  for (size_t at = tensor.name.find(kWord); at != std::string_view::npos;
       at = tensor.name.find(kWord, at + 1)) {
    const size_t end = at + kWord.size();
    // A whole component ("shared_experts" is none), and not the first.
    if (at > 0 && tensor.name[at - 1] == '.' &&
        (end == tensor.name.size() || tensor.name[end] == '.')) {
      return true;
    }
  }
  return false;
}

bool IsFusedWeight(const PlanTensor& tensor) {
  return (tensor.dtype == DType::kF8E4M3 || tensor.dtype == DType::kF8E5M2) &&
         tensor.shape.size() == 3;
}

bool CanBeCut(const PlanTensor& tensor, uint64_t expert_count) {
  return !tensor.shape.empty() && tensor.shape[0] == expert_count &&
         tensor.size_bytes % expert_count == 0;
}

// What is fused of the candidates of one layer; nothing where the rules are not met.
FusedExperts FuseLayer(const std::vector<PlanTensor>& tensors,
                       const std::vector<uint32_t>& candidates) {
  FusedExperts fused;
  for (const uint32_t i : candidates) {
    if (!IsFusedWeight(tensors[i])) continue;
    const uint64_t count = tensors[i].shape[0];
    if (count < 2 || (fused.expert_count != 0 && count != fused.expert_count)) return {};
    fused.expert_count = count;
  }
  if (fused.expert_count == 0) return {};
  uint64_t size_bytes = 0;
  for (const uint32_t i : candidates) {
    if (!CanBeCut(tensors[i], fused.expert_count)) continue;
    fused.tensors.push_back(i);
    size_bytes += tensors[i].size_bytes;
  }
  if (size_bytes < kMinFusedBytes || size_bytes / fused.expert_count < kMinExpertBytes) return {};
  return fused;
}

}  // namespace

std::map<UnitKey, FusedExperts> FindFusedExperts(const std::vector<PlanTensor>& tensors,
                                                 const std::vector<UnitKey>& keys) {
  std::map<UnitKey, std::vector<uint32_t>> candidates_of;
  std::set<UnitKey> numbered;  // layers whose experts have tensors of their own
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (keys[i].expert != UnitKey::kNone) {
      UnitKey layer = keys[i];
      layer.expert = UnitKey::kNone;
      numbered.insert(std::move(layer));
    } else if (IsOfExperts(tensors[i], keys[i])) {
      candidates_of[keys[i]].push_back(i);
    }
  }
  std::map<UnitKey, FusedExperts> result;
  for (const auto& [layer, candidates] : candidates_of) {
    if (numbered.contains(layer)) continue;
    FusedExperts fused = FuseLayer(tensors, candidates);
    if (fused.expert_count != 0) result.emplace(layer, std::move(fused));
  }
  return result;
}

}  // namespace ecf8
