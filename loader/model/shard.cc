#include "loader/model/shard.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/chunk_decoder.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

absl::Status CheckHeader(const Shard& shard) {
  uint8_t length[8];
  StoreLe64(length, shard.header.json.size());
  Xxh3Stream hash;
  hash.Update(length);
  hash.Update(AsBytes(shard.header.json));
  if (hash.Digest() != shard.manifest.header_xxh3) {
    return absl::DataLossError("the safetensors header does not match its checksum");
  }
  return absl::OkStatus();
}

// A chunk, table set and gap read stays inside the file and outside of header and manifest.
absl::Status CheckBounds(const Shard& shard) {
  const std::vector<Unit>& units = shard.manifest.units;
  if (units.empty()) return absl::OkStatus();
  const uint64_t end = units.back().offset_bytes + units.back().stored_size_bytes;
  if (units.front().offset_bytes < shard.header.data_offset() ||
      end > shard.manifest_offset_bytes) {
    return absl::DataLossError("the manifest puts units outside of the shard's data");
  }
  return absl::OkStatus();
}

absl::Status ReadManifest(Shard& shard) {
  ECF8_ASSIGN_OR_RETURN(shard.size_bytes, shard.file.SizeBytes());
  const SafetensorsTensor* entry = FindManifest(shard.header);
  if (entry == nullptr) return absl::NotFoundError("the file is no shard of an ecf8 model");
  shard.manifest_offset_bytes = shard.header.data_offset() + entry->begin;
  shard.manifest_size_bytes = entry->size_bytes();
  if (entry->dtype != DType::kU8 || entry->size_bytes() > kMaxManifestBytes + 64 ||
      shard.manifest_offset_bytes + shard.manifest_size_bytes != shard.size_bytes) {
    return absl::DataLossError("the manifest is not where it must be, at the end of the file");
  }
  std::vector<uint8_t> bytes(shard.manifest_size_bytes);
  ECF8_RETURN_IF_ERROR(shard.file.ReadAt(shard.manifest_offset_bytes, absl::MakeSpan(bytes)));
  ECF8_ASSIGN_OR_RETURN(shard.manifest, ParseManifest(bytes));
  shard.manifest_xxh3 = LoadLe64(bytes.data() + bytes.size() - 8);
  ECF8_RETURN_IF_ERROR(CheckHeader(shard));
  return CheckBounds(shard);
}

// A header that safetensors does not allow is damage here: ecf8 wrote the file, or it is not ours.
absl::Status AsDamage(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  return absl::DataLossError(status.message());
}

std::string UnitName(const Shard& shard, const Unit& unit) {
  return absl::StrCat(Quoted(shard.file_name), ", unit ", Quoted(unit.id));
}

absl::Status ChunkDamage(const Shard& shard, const Unit& unit, const Piece& piece, uint32_t chunk,
                         std::string_view what) {
  return absl::DataLossError(absl::StrCat(UnitName(shard, unit), ", tensor ", Quoted(piece.tensor),
                                          ": chunk ", chunk, " at byte ",
                                          ChunkOffsetBytes(unit, piece, chunk), " ", ToAbsl(what)));
}

}  // namespace

const SafetensorsTensor* FindManifest(const SafetensorsHeader& header) {
  for (const SafetensorsTensor& tensor : header.tensors) {
    if (tensor.name == kManifestTensor) return &tensor;
  }
  return nullptr;
}

absl::StatusOr<Shard> OpenShard(const ModelDirectory& directory, const std::string& file_name) {
  ECF8_ASSIGN_OR_RETURN(File file, directory.OpenFile(file_name));
  absl::StatusOr<SafetensorsHeader> header = ReadSafetensorsHeader(file);
  if (!header.ok()) return AsDamage(header.status());
  Shard shard = {file_name, std::move(file), *std::move(header), {}};
  ECF8_RETURN_IF_ERROR(AddContext(ReadManifest(shard), Quoted(file_name)));
  return shard;
}

absl::StatusOr<Shard> OpenFirstShard(const ModelDirectory& directory) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> files, directory.ListShardFiles());
  std::optional<absl::Status> damage;
  for (const std::string& file_name : files) {
    absl::StatusOr<Shard> shard = OpenShard(directory, file_name);
    if (shard.ok() && shard->manifest.directory) return shard;
    // A safetensors file that is not ours may lie beside the shards.
    if (!shard.ok() && shard.status().code() != absl::StatusCode::kNotFound && !damage) {
      damage = shard.status();
    }
  }
  if (damage) return *damage;
  return absl::NotFoundError(absl::StrCat(
      Quoted(directory.shown()), " is no ecf8 model: no shard in it has a directory record"));
}

absl::Status CheckBelongs(const Shard& shard, uint32_t index, const Directory& record) {
  const ShardInfo& info = record.shards[index];
  const auto damaged = [&shard](std::string_view what) {
    return absl::DataLossError(absl::StrCat(Quoted(shard.file_name), ": ", ToAbsl(what)));
  };
  if (shard.file_name != info.file_name) return damaged("the directory record names another file");
  if (shard.manifest.shard_index != index || shard.manifest.shard_count != record.shards.size()) {
    return damaged("the shard is another one than the directory record says");
  }
  if (index == 0) return absl::OkStatus();
  if (shard.size_bytes != info.size_bytes) {
    return damaged("the shard's size is not what the directory record says");
  }
  if (shard.manifest_xxh3 != info.manifest_xxh3) {
    return damaged("the shard's manifest is not the one that the directory record knows");
  }
  return absl::OkStatus();
}

absl::StatusOr<UnitTables> ReadTables(const Shard& shard, const Unit& unit) {
  std::vector<uint8_t> stored(unit.tables_size_bytes);
  if (!stored.empty()) {
    ECF8_RETURN_IF_ERROR(AddContext(shard.file.ReadAt(unit.offset_bytes, absl::MakeSpan(stored)),
                                    UnitName(shard, unit)));
    if (Xxh3(stored) != unit.tables_xxh3) {
      return absl::DataLossError(
          absl::StrCat(UnitName(shard, unit), ": the tables do not match their checksum"));
    }
  }
  absl::StatusOr<UnitTables> tables = ParseUnitTables(unit, stored);
  if (!tables.ok()) return AddContext(tables.status(), UnitName(shard, unit));
  return tables;
}

absl::Status ReadStoredChunk(const Shard& shard, const Unit& unit, const Piece& piece,
                             uint32_t chunk, std::vector<uint8_t>* stored) {
  stored->resize(piece.chunks[chunk].stored_size_bytes);
  const absl::Status read =
      shard.file.ReadAt(ChunkOffsetBytes(unit, piece, chunk), absl::MakeSpan(*stored));
  if (!read.ok()) {
    return AddContext(read, absl::StrCat(UnitName(shard, unit), ", tensor ", Quoted(piece.tensor)));
  }
  if (Xxh3(*stored) == piece.chunks[chunk].xxh3) return absl::OkStatus();
  return ChunkDamage(shard, unit, piece, chunk, "does not match its checksum");
}

absl::Status DecodeStoredChunk(const Shard& shard, const Unit& unit, const Piece& piece,
                               uint32_t chunk, const UnitTables& tables,
                               absl::Span<const uint8_t> stored, absl::Span<uint8_t> decoded) {
  const uint64_t weights = DecodedChunkSizeBytes(piece, chunk);
  absl::Status status =
      DecodeChunk({piece.codec, stored, weights}, tables.For(piece.codec), decoded);
  if (status.code() != absl::StatusCode::kDataLoss) return status;
  return ChunkDamage(shard, unit, piece, chunk,
                     absl::StrCat("cannot be decoded: ", status.message()));
}

uint64_t ChunkOffsetBytes(const Unit& unit, const Piece& piece, uint32_t chunk) {
  uint64_t offset = unit.offset_bytes + piece.stored_offset_bytes;
  for (uint32_t i = 0; i < chunk; ++i) offset += piece.chunks[i].stored_size_bytes;
  return offset;
}

uint64_t DecodedChunkSizeBytes(const Piece& piece, uint32_t chunk) {
  return ChunkWeightsAt(piece.decoded_size_bytes, chunk);
}

}  // namespace ecf8
