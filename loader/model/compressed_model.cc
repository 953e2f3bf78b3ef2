#include "loader/model/compressed_model.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

uint64_t Digest(const std::vector<Shard>& shards) {
  Xxh3Stream hash;
  for (const Shard& shard : shards) {
    uint8_t bytes[8];
    StoreLe64(bytes, shard.manifest_xxh3);
    hash.Update(bytes);
  }
  return hash.Digest();
}

ErrorReason ReasonFor(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDataLoss ||
                 status.code() == absl::StatusCode::kUnimplemented
             ? ErrorReason::kCorruptData
             : ErrorReason::kReadFailed;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const CompressedModel>> CompressedModel::Open(
    const std::string& directory) {
  ECF8_ASSIGN_OR_RETURN(const ModelDirectory opened, ModelDirectory::Open(directory));
  return Open(opened);
}

absl::StatusOr<std::shared_ptr<const CompressedModel>> CompressedModel::Open(
    const ModelDirectory& directory) {
  std::shared_ptr<CompressedModel> model(new CompressedModel());
  model->directory_ = directory.path();
  model->name_ = directory.name();
  ECF8_RETURN_IF_ERROR(model->OpenShards(directory));
  ECF8_RETURN_IF_ERROR(model->Index());
  return model;
}

absl::StatusOr<std::shared_ptr<const CompressedModel>> CompressedModel::OpenFile(
    const std::string& path) {
  const std::filesystem::path file(path);
  std::shared_ptr<CompressedModel> model(new CompressedModel());
  model->name_ = file.filename().string();
  const std::string parent = file.has_parent_path() ? file.parent_path().string() : ".";
  ECF8_ASSIGN_OR_RETURN(const ModelDirectory directory, ModelDirectory::Open(parent));
  model->directory_ = directory.path();
  absl::StatusOr<Shard> shard = OpenShard(directory, model->name_);
  if (!shard.ok()) return model->WithInfo(shard.status(), model->name_);
  model->shards_.push_back(*std::move(shard));
  ECF8_RETURN_IF_ERROR(model->Index());
  return model;
}

absl::Status CompressedModel::Index() {
  ECF8_RETURN_IF_ERROR(IndexUnits());
  digest_value_ = Digest(shards_);
  digest_ = absl::StrCat(absl::Hex(digest_value_, absl::kZeroPad16));
  return absl::OkStatus();
}

absl::Status CompressedModel::WithInfo(const absl::Status& status, const std::string& shard) const {
  ErrorInfo info;
  info.reason = ReasonFor(status);
  info.model = name_;
  info.shard = shard;
  return WithErrorInfo(AddContext(status, absl::StrCat("model ", Quoted(name_))), info);
}

absl::Status CompressedModel::OpenShards(const ModelDirectory& directory) {
  absl::StatusOr<Shard> first = OpenFirstShard(directory);
  if (!first.ok()) return WithInfo(first.status(), "");
  shards_.push_back(*std::move(first));
  const size_t count = directory_record().shards.size();
  for (uint32_t i = 0; i < count; ++i) {
    const std::string file_name = directory_record().shards[i].file_name;
    if (i > 0) {
      absl::StatusOr<Shard> shard = OpenShard(directory, file_name);
      if (!shard.ok()) return WithInfo(shard.status(), file_name);
      shards_.push_back(*std::move(shard));
    }
    const absl::Status status = CheckBelongs(shards_[i], i, directory_record());
    if (!status.ok()) return WithInfo(status, file_name);
  }
  return absl::OkStatus();
}

absl::Status CompressedModel::IndexUnits() {
  const auto twice = [this](std::string_view what, const Unit& unit) {
    ErrorInfo info;
    info.reason = ErrorReason::kCorruptData;
    info.model = name_;
    info.unit = unit.id;
    return WithErrorInfo(absl::DataLossError(absl::StrCat("model ", Quoted(name_), ": ",
                                                          ToAbsl(what), " is in two shards")),
                         info);
  };
  for (uint32_t s = 0; s < shards_.size(); ++s) {
    const std::vector<Unit>& units = shards_[s].manifest.units;
    for (uint32_t u = 0; u < units.size(); ++u) {
      const uint32_t index = unit_count();
      units_.push_back({s, u});
      if (!unit_by_id_.try_emplace(units[u].id, index).second) {
        return twice(absl::StrCat("unit ", Quoted(units[u].id)), units[u]);
      }
      for (uint32_t p = 0; p < units[u].pieces.size(); ++p) {
        std::vector<PieceRef>& pieces = pieces_by_tensor_[units[u].pieces[p].tensor];
        // Within a shard, the manifest's checks have seen to it that the pieces are parts that
        // meet.
        if (!pieces.empty() && units_[pieces[0].unit_index].shard != s) {
          return twice(absl::StrCat("tensor ", Quoted(units[u].pieces[p].tensor)), units[u]);
        }
        pieces.push_back({index, p});
      }
    }
  }
  return absl::OkStatus();
}

std::optional<uint32_t> CompressedModel::FindUnit(std::string_view id) const {
  const auto entry = unit_by_id_.find(id);
  if (entry == unit_by_id_.end()) return std::nullopt;
  return entry->second;
}

absl::Span<const PieceRef> CompressedModel::FindTensor(std::string_view name) const {
  const auto entry = pieces_by_tensor_.find(name);
  if (entry == pieces_by_tensor_.end()) return {};
  return entry->second;
}

absl::Status CompressedModel::WithInfo(absl::Status status, uint32_t unit_index) const {
  if (status.ok()) return status;
  ErrorInfo info;
  info.reason = ReasonFor(status);
  info.model = name_;
  info.unit = unit(unit_index).id;
  info.shard = shard_of(unit_index).file_name;
  info.offset_bytes = unit(unit_index).offset_bytes;
  return WithErrorInfo(std::move(status), info);
}

absl::Status CompressedModel::WithInfo(absl::Status status, PieceRef ref, uint32_t chunk) const {
  if (status.ok()) return status;
  const Unit& piece_unit = unit(ref.unit_index);
  const Piece& piece = piece_unit.pieces[ref.piece];
  ErrorInfo info;
  info.reason = ReasonFor(status);
  info.model = name_;
  info.unit = piece_unit.id;
  info.tensor = piece.tensor;
  info.shard = shard_of(ref.unit_index).file_name;
  info.offset_bytes = ChunkOffsetBytes(piece_unit, piece, chunk);
  return WithErrorInfo(std::move(status), info);
}

absl::StatusOr<UnitTables> CompressedModel::ReadTables(uint32_t unit_index) const {
  absl::StatusOr<UnitTables> tables = ecf8::ReadTables(shard_of(unit_index), unit(unit_index));
  if (!tables.ok()) return WithInfo(tables.status(), unit_index);
  return tables;
}

absl::Status CompressedModel::ReadStoredChunk(PieceRef piece, uint32_t chunk,
                                              std::vector<uint8_t>* stored) const {
  const Unit& piece_unit = unit(piece.unit_index);
  return WithInfo(ecf8::ReadStoredChunk(shard_of(piece.unit_index), piece_unit,
                                        piece_unit.pieces[piece.piece], chunk, stored),
                  piece, chunk);
}

absl::Status CompressedModel::ReadDecodedChunk(PieceRef piece, uint32_t chunk,
                                               const UnitTables& tables,
                                               std::vector<uint8_t>* scratch,
                                               absl::Span<uint8_t> decoded) const {
  ECF8_RETURN_IF_ERROR(ReadStoredChunk(piece, chunk, scratch));
  const Unit& piece_unit = unit(piece.unit_index);
  return WithInfo(
      DecodeStoredChunk(shard_of(piece.unit_index), piece_unit, piece_unit.pieces[piece.piece],
                        chunk, tables, *scratch, decoded),
      piece, chunk);
}

}  // namespace ecf8
