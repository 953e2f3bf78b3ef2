#include "loader/model/shard_writer.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

ShardWriter::ShardWriter(File file, std::string file_name, uint64_t header_size_bytes)
    : file_(std::move(file)),
      file_name_(std::move(file_name)),
      header_size_bytes_(header_size_bytes),
      end_(header_size_bytes) {}

absl::StatusOr<ShardWriter> ShardWriter::Create(const std::string& directory,
                                                const std::string& file_name,
                                                uint64_t header_size_bytes) {
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(absl::StrCat(directory, "/", file_name)));
  return ShardWriter(std::move(file), file_name, header_size_bytes);
}

absl::Status ShardWriter::Append(absl::Span<const uint8_t> bytes) {
  ECF8_RETURN_IF_ERROR(file_.WriteAt(end_, bytes));
  end_ += bytes.size();
  return absl::OkStatus();
}

absl::Status ShardWriter::BeginUnit(const std::string& id, const UnitTables& tables) {
  end_ = RoundUp(end_, kUnitAlignmentBytes);
  Unit& unit = units_.emplace_back();
  unit.id = id;
  unit.offset_bytes = end_;
  unit.table_sets = DescribeUnitTables(tables);
  const std::vector<uint8_t> stored = SerializeUnitTables(tables);
  if (stored.empty()) return absl::OkStatus();
  unit.tables_xxh3 = Xxh3(stored);
  return Append(stored);
}

void ShardWriter::BeginPiece(Piece piece) {
  end_ = RoundUp(end_, kStoredAlignmentBytes);
  units_.back().pieces.push_back(std::move(piece));
}

absl::Status ShardWriter::AddChunk(absl::Span<const uint8_t> stored, uint64_t xxh3) {
  Piece& piece = units_.back().pieces.back();
  piece.chunks.push_back({static_cast<uint32_t>(stored.size()), xxh3});
  return Append(stored);
}

void ShardWriter::EndPiece(uint64_t decoded_xxh3) {
  Piece& piece = units_.back().pieces.back();
  piece.decoded_xxh3 = decoded_xxh3;
  uint64_t stored = 0;
  for (const Chunk& chunk : piece.chunks) stored += chunk.stored_size_bytes;
  // No chunk shrank: every one is stored raw, and so the piece is.
  if (stored == piece.decoded_size_bytes) piece.codec = Codec::kRaw;
}

void ShardWriter::EndUnit() { DeriveUnitLayout(units_.back()); }

absl::StatusOr<ShardInfo> ShardWriter::Finish(Manifest manifest,
                                              const SafetensorsMetadata& metadata) {
  manifest.units = std::move(units_);
  const uint64_t offset = RoundUp(end_, kStoredAlignmentBytes);
  // The header holds the manifest's size and the manifest the header's checksum, so it is made
  // twice.
  ECF8_ASSIGN_OR_RETURN(std::string bytes, SerializeManifest(manifest));
  ECF8_ASSIGN_OR_RETURN(
      const std::string header,
      BuildShardHeader(ShardCover(manifest.units, header_size_bytes_, offset, bytes.size()),
                       metadata, header_size_bytes_));
  manifest.header_xxh3 = Xxh3(AsBytes(header));
  ECF8_ASSIGN_OR_RETURN(bytes, SerializeManifest(manifest));
  ECF8_RETURN_IF_ERROR(file_.WriteAt(offset, AsBytes(bytes)));
  ECF8_RETURN_IF_ERROR(file_.WriteAt(0, AsBytes(header)));
  ECF8_RETURN_IF_ERROR(file_.Sync());
  const uint64_t checksum = LoadLe64(AsBytes(bytes).data() + bytes.size() - 8);
  return ShardInfo{file_name_, offset + bytes.size(), checksum};
}

}  // namespace ecf8
