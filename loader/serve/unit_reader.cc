#include "loader/serve/unit_reader.h"

#include <utility>

#include "decoder/checksum.h"
#include "decoder/format.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

absl::Span<uint8_t> AsBytes(std::string* text) {
  return {reinterpret_cast<uint8_t*>(text->data()), text->size()};
}

}  // namespace

UnitReader::UnitReader(std::shared_ptr<const CompressedModel> model, Selection selection,
                       UnitForm form)
    : model_(std::move(model)), selection_(std::move(selection)), form_(form) {}

absl::StatusOr<ReadStep> UnitReader::Next(std::string* data) {
  switch (stage_) {
    case Stage::kBegin:
      return Begin();
    case Stage::kTables:
      return Tables(data);
    case Stage::kChunks:
      return Chunk(data);
    case Stage::kDone:
      break;
  }
  return ReadStep{};
}

absl::StatusOr<ReadStep> UnitReader::Begin() {
  if (next_unit_ == selection_.unit_count()) {
    stage_ = Stage::kDone;
    return ReadStep{};
  }
  current_ = selection_.Get(*model_, next_unit_++);
  const Unit& unit = model_->unit(current_.unit_index);
  piece_ = 0;
  chunk_ = 0;
  sent_bytes_ = 0;
  if (form_ == UnitForm::kStored) {
    stage_ = unit.tables_size_bytes > 0 ? Stage::kTables : Stage::kChunks;
  } else {
    absl::StatusOr<UnitTables> tables = model_->ReadTables(current_.unit_index);
    if (!tables.ok()) return Failure(tables.status(), "", 0);
    tables_ = *std::move(tables);
    stage_ = Stage::kChunks;
  }
  return ReadStep{.kind = ReadStep::Kind::kBegin};
}

absl::StatusOr<ReadStep> UnitReader::Tables(std::string* data) {
  const absl::Status status = model_->ReadStoredTables(current_.unit_index, &scratch_);
  if (!status.ok()) return Failure(status, "", 0);
  data->assign(scratch_.begin(), scratch_.end());
  sent_bytes_ = data->size();
  stage_ = Stage::kChunks;
  return ReadStep{.kind = ReadStep::Kind::kData,
                  .xxh3 = model_->unit(current_.unit_index).tables_xxh3};
}

absl::StatusOr<ReadStep> UnitReader::Chunk(std::string* data) {
  const Unit& unit = model_->unit(current_.unit_index);
  while (piece_ < current_.pieces.size() &&
         chunk_ == unit.pieces[current_.pieces[piece_]].chunks.size()) {
    ++piece_;
    chunk_ = 0;
  }
  if (piece_ == current_.pieces.size()) return End();

  const PieceRef ref{current_.unit_index, current_.pieces[piece_]};
  const Piece& piece = unit.pieces[ref.piece];
  if (chunk_ == 0) chunk_stored_offset_ = piece.stored_offset_bytes;
  ReadStep step{.kind = ReadStep::Kind::kData};
  absl::Status status;
  if (form_ == UnitForm::kStored) {
    status = model_->ReadStoredChunk(ref, chunk_, &scratch_);
    if (status.ok()) data->assign(scratch_.begin(), scratch_.end());
    step.offset_bytes = chunk_stored_offset_;
    step.xxh3 = piece.chunks[chunk_].xxh3;
  } else {
    data->resize(DecodedChunkSizeBytes(piece, chunk_));
    status = model_->ReadDecodedChunk(ref, chunk_, tables_, &scratch_, AsBytes(data));
    step.offset_bytes = piece.decoded_offset_bytes + uint64_t{chunk_} * kChunkWeights;
    if (status.ok()) step.xxh3 = Xxh3(AsBytes(data));
  }
  if (!status.ok()) return Failure(status, piece.tensor, chunk_stored_offset_);
  sent_bytes_ += data->size();
  chunk_stored_offset_ += piece.chunks[chunk_].stored_size_bytes;
  ++chunk_;
  return step;
}

ReadStep UnitReader::End() {
  stage_ = Stage::kBegin;
  return ReadStep{.kind = ReadStep::Kind::kEnd, .data_size_bytes = sent_bytes_};
}

absl::Status UnitReader::Failure(const absl::Status& status, const std::string& tensor,
                                 uint64_t offset_bytes) {
  stage_ = Stage::kDone;
  const Unit& unit = model_->unit(current_.unit_index);
  const bool corrupt = absl::IsDataLoss(status) || absl::IsInvalidArgument(status);
  return WithErrorInfo(status,
                       {.reason = corrupt ? ErrorReason::kCorruptData : ErrorReason::kReadFailed,
                        .model = model_->name(),
                        .unit = unit.id,
                        .tensor = tensor,
                        .shard = model_->shard_of(current_.unit_index).file_name,
                        .offset_bytes = unit.offset_bytes + offset_bytes});
}

}  // namespace ecf8
