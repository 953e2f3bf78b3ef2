#include "tools/ecf8/bench_model.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/model/compress.h"
#include "tools/workloads/synthetic_weights.h"

namespace ecf8 {
namespace {

constexpr uint64_t kColumns = 2048;
constexpr uint64_t kMaxRows = 2048;
constexpr std::array kLayerMatrices = {"self_attn.qkv_proj", "self_attn.o_proj", "mlp.up_proj",
                                       "mlp.down_proj"};

}  // namespace

absl::StatusOr<std::unique_ptr<BenchModel>> BenchModel::Open(const std::string& path) {
  std::unique_ptr<BenchModel> model(new BenchModel);
  ECF8_ASSIGN_OR_RETURN(model->source_, OpenSourceModel(path));
  ECF8_ASSIGN_OR_RETURN(model->plan_,
                        PlanCompression(model->source_, JobOptions().shard_size_bytes));
  return model;
}

std::unique_ptr<BenchModel> BenchModel::Synthetic(uint64_t size_bytes) {
  std::unique_ptr<BenchModel> model(new BenchModel);
  CompressPlan& plan = model->plan_;
  plan.metadata = {{"format", "pt"}};
  uint64_t rows_left = (size_bytes + kColumns - 1) / kColumns;
  while (rows_left > 0) {
    const size_t matrix = plan.tensors.size();
    model->names_.push_back(absl::StrCat("model.layers.", matrix / kLayerMatrices.size(), ".",
                                         kLayerMatrices[matrix % kLayerMatrices.size()],
                                         ".weight"));
    const uint64_t rows = std::min(rows_left, kMaxRows);
    model->shapes_.push_back({rows, kColumns});
    plan.tensors.push_back(
        {model->names_.back(), DType::kF8E4M3, model->shapes_.back(), rows * kColumns});
    plan.tensor_bytes += rows * kColumns;
    rows_left -= rows;
  }
  plan.shards = PlanUnits(plan.tensors, JobOptions().shard_size_bytes);
  return model;
}

absl::Status BenchModel::Read(const PlannedPiece& piece, absl::Span<uint8_t> out) const {
  if (!source_.shards.empty()) return plan_.ReadPiece(piece, 0, out);
  FillSyntheticE4M3(piece.tensor, kColumns, out);
  return absl::OkStatus();
}

}  // namespace ecf8
