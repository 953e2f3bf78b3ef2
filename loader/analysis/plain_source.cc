#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "loader/analysis/weight_source.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/compress.h"
#include "loader/model/compress_plan.h"

namespace ecf8 {
namespace {

// Units as `compress` would make them.
class PlainSource : public WeightSource {
 public:
  explicit PlainSource(SourceModel model) : model_(std::move(model)) {}

  absl::Status Plan() {
    ECF8_ASSIGN_OR_RETURN(plan_, PlanCompression(model_, JobOptions().shard_size_bytes));
    for (const PlanTensor& tensor : plan_.tensors) {
      tensors_.push_back({std::string(tensor.name),
                          tensor.dtype,
                          {tensor.shape.begin(), tensor.shape.end()},
                          tensor.size_bytes});
    }
    for (const PlannedShard& shard : plan_.shards) {
      for (const PlannedUnit& unit : shard.units) {
        planned_.push_back(&unit);
        SourceUnit& source = units_.emplace_back();
        source.id = unit.id;
        for (const PlannedPiece& piece : unit.pieces) {
          source.pieces.push_back({piece.tensor, piece.size_bytes, 0});
        }
      }
    }
    MeasureFiles();
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<PieceReader>> OpenUnit(size_t unit) const override {
    return std::make_unique<Reader>(plan_, *planned_[unit]);
  }

 private:
  class Reader : public PieceReader {
   public:
    Reader(const CompressPlan& plan, const PlannedUnit& unit) : plan_(plan), unit_(unit) {}

    absl::Status ReadChunk(size_t piece, size_t chunk, absl::Span<uint8_t> bytes) override {
      return plan_.ReadPiece(unit_.pieces[piece], chunk * kChunkWeights, bytes);
    }

   private:
    const CompressPlan& plan_;
    const PlannedUnit& unit_;
  };

  void AddOtherFile(const std::string& path) {
    std::error_code error;
    const uint64_t size =
        std::filesystem::file_size(absl::StrCat(model_.directory, "/", path), error);
    if (!error) other_files_bytes_ += size;  // one that has just gone is no part of the model
  }

  void MeasureFiles() {
    for (const std::string& path : model_.other_paths) AddOtherFile(path);
    if (model_.has_config) AddOtherFile("config.json");
    if (!model_.index_path.empty()) AddOtherFile(model_.index_path);
    directory_bytes_ = other_files_bytes_;
    for (const SourceShard& shard : model_.shards) directory_bytes_ += shard.bytes->size_bytes();
  }

  SourceModel model_;
  CompressPlan plan_;  // borrows model_
  std::vector<const PlannedUnit*> planned_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightSource>> OpenPlainSource(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(SourceModel model, OpenSourceModel(path));
  auto source = std::make_unique<PlainSource>(std::move(model));
  ECF8_RETURN_IF_ERROR(source->Plan());
  return source;
}

}  // namespace ecf8
