#include "loader/model/summary.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace ecf8 {
namespace {

uint64_t ChunkBytes(const Unit& unit) {
  uint64_t bytes = 0;
  for (const Piece& piece : unit.pieces) bytes += piece.stored_size_bytes;
  return bytes;
}

// Zero bytes in units[u] and after it.
uint64_t PaddingBytes(const std::vector<Unit>& units, size_t u, uint64_t end_bytes) {
  const uint64_t next = u + 1 < units.size() ? units[u + 1].offset_bytes : end_bytes;
  return next - units[u].offset_bytes - units[u].tables_size_bytes - ChunkBytes(units[u]);
}

void AddFp8(const Unit& unit, uint64_t padding_bytes, Fp8Sizes* sizes) {
  uint64_t manifest_bytes = SerializedSizeBytes(unit);
  bool has_fp8 = false;
  for (const Piece& piece : unit.pieces) {
    if (!IsFp8(piece.dtype)) {
      manifest_bytes -= SerializedSizeBytes(piece);
      continue;
    }
    has_fp8 = true;
    sizes->chunk_bytes += piece.stored_size_bytes;
    sizes->weights += piece.decoded_size_bytes;
    if (piece.codec != Codec::kRaw) sizes->coded_weights += piece.decoded_size_bytes;
  }
  if (!has_fp8) return;
  sizes->tables_bytes += unit.tables_size_bytes;
  sizes->padding_bytes += padding_bytes;
  sizes->manifest_bytes += manifest_bytes;
}

void AddUnits(const Shard& shard, ModelSummary* summary) {
  const std::vector<Unit>& units = shard.manifest.units;
  for (size_t u = 0; u < units.size(); ++u) {
    for (const Piece& piece : units[u].pieces) {
      summary->tensor_count += piece.tensor_offset_bytes == 0;
    }
    const uint64_t padding_bytes = PaddingBytes(units, u, shard.manifest_offset_bytes);
    summary->chunk_bytes += ChunkBytes(units[u]);
    summary->tables_bytes += units[u].tables_size_bytes;
    summary->padding_bytes += padding_bytes;
    AddFp8(units[u], padding_bytes, &summary->fp8);
  }
  summary->unit_count += static_cast<uint32_t>(units.size());
}

void AddFiles(const Directory& record, ModelSummary* summary) {
  std::unordered_set<std::string_view> kept;
  for (const Original& original : record.originals) {
    kept.insert(original.path);
    summary->originals_bytes += original.zlib.size();
    summary->raw_bytes += original.size_bytes + original.data_size_bytes;
  }
  for (const OtherFile& file : record.files) {
    summary->other_file_bytes += file.size_bytes;
    if (!file.generated && !kept.contains(file.path)) summary->raw_bytes += file.size_bytes;
  }
}

}  // namespace

Fp8Sizes SumFp8Sizes(const std::vector<Unit>& units, uint64_t end_bytes) {
  Fp8Sizes sizes;
  for (size_t u = 0; u < units.size(); ++u) {
    AddFp8(units[u], PaddingBytes(units, u, end_bytes), &sizes);
  }
  return sizes;
}

ModelSummary Summarize(const CompressedModel& model) {
  ModelSummary summary;
  for (const Shard& shard : model.shards()) {
    ++summary.shard_count;
    summary.stored_bytes += shard.size_bytes;
    summary.header_bytes += shard.header.data_offset();
    summary.manifest_bytes += shard.manifest_size_bytes;
    AddUnits(shard, &summary);
  }
  AddFiles(model.directory_record(), &summary);
  summary.stored_bytes += summary.other_file_bytes;
  if (summary.fp8.weights > 0) {
    summary.bits_per_fp8_weight =
        8.0 * static_cast<double>(summary.fp8.bytes()) / static_cast<double>(summary.fp8.weights);
  }
  return summary;
}

}  // namespace ecf8
