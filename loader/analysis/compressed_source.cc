#include <map>
#include <string_view>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/analysis/weight_source.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {
namespace {

class CompressedSource : public WeightSource {
 public:
  explicit CompressedSource(std::shared_ptr<const CompressedModel> model)
      : model_(std::move(model)) {
    is_compressed_ = true;
    std::map<std::string_view, uint32_t> tensor_by_name;
    for (uint32_t u = 0; u < model_->unit_count(); ++u) {
      const Unit& unit = model_->unit(u);
      SourceUnit& source = units_.emplace_back();
      source.id = unit.id;
      source.tables_bytes = unit.tables_size_bytes;
      for (const Piece& piece : unit.pieces) {
        const auto [entry, is_new] =
            tensor_by_name.try_emplace(piece.tensor, static_cast<uint32_t>(tensors_.size()));
        if (is_new) tensors_.push_back({piece.tensor, piece.dtype, piece.shape, 0});
        tensors_[entry->second].size_bytes += piece.decoded_size_bytes;
        source.pieces.push_back({entry->second, piece.decoded_size_bytes, piece.stored_size_bytes});
      }
    }
    for (const OtherFile& file : model_->directory_record().files) {
      other_files_bytes_ += file.size_bytes;
    }
    directory_bytes_ = other_files_bytes_;
    for (const Shard& shard : model_->shards()) directory_bytes_ += shard.size_bytes;
  }

  absl::StatusOr<std::unique_ptr<PieceReader>> OpenUnit(size_t unit) const override {
    const auto index = static_cast<uint32_t>(unit);
    ECF8_ASSIGN_OR_RETURN(UnitTables tables, model_->ReadTables(index));
    return std::make_unique<Reader>(*model_, index, std::move(tables));
  }

 private:
  class Reader : public PieceReader {
   public:
    Reader(const CompressedModel& model, uint32_t unit, UnitTables tables)
        : model_(model), unit_(unit), tables_(std::move(tables)) {}

    absl::Status ReadChunk(size_t piece, size_t chunk, absl::Span<uint8_t> bytes) override {
      return model_.ReadDecodedChunk({unit_, static_cast<uint32_t>(piece)},
                                     static_cast<uint32_t>(chunk), tables_, &scratch_, bytes);
    }

   private:
    const CompressedModel& model_;
    const uint32_t unit_;
    const UnitTables tables_;
    std::vector<uint8_t> scratch_;
  };

  std::shared_ptr<const CompressedModel> model_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightSource>> OpenCompressedSource(const std::string& directory) {
  ECF8_ASSIGN_OR_RETURN(std::shared_ptr<const CompressedModel> model,
                        CompressedModel::Open(directory));
  return std::make_unique<CompressedSource>(std::move(model));
}

}  // namespace ecf8
