#include "loader/model/summary.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>

namespace ecf8 {
namespace {

// Adds the units of a shard; returns the bytes that the FP8 tensors in it must answer for.
uint64_t AddUnits(const Shard& shard, ModelSummary* summary) {
  const std::vector<Unit>& units = shard.manifest.units;
  uint64_t fp8_bytes = 0;
  for (size_t u = 0; u < units.size(); ++u) {
    const Unit& unit = units[u];
    const uint64_t next =
        u + 1 < units.size() ? units[u + 1].offset_bytes : shard.manifest_offset_bytes;
    uint64_t chunks = 0;
    uint64_t fp8_chunks = 0;
    uint64_t manifest = SerializedSizeBytes(unit);
    bool has_fp8 = false;
    for (const Piece& piece : unit.pieces) {
      chunks += piece.stored_size_bytes;
      summary->tensor_count += piece.tensor_offset_bytes == 0;
      if (!IsFp8(piece.dtype)) {
        manifest -= SerializedSizeBytes(piece);
        continue;
      }
      has_fp8 = true;
      fp8_chunks += piece.stored_size_bytes;
      summary->fp8_weights += piece.decoded_size_bytes;
      if (piece.codec != Codec::kRaw) summary->coded_weights += piece.decoded_size_bytes;
    }
    const uint64_t padding = next - unit.offset_bytes - unit.tables_size_bytes - chunks;
    summary->chunk_bytes += chunks;
    summary->tables_bytes += unit.tables_size_bytes;
    summary->padding_bytes += padding;
    if (has_fp8) fp8_bytes += fp8_chunks + unit.tables_size_bytes + padding + manifest;
  }
  summary->unit_count += static_cast<uint32_t>(units.size());
  return fp8_bytes;
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

ModelSummary Summarize(const CompressedModel& model) {
  ModelSummary summary;
  uint64_t fp8_bytes = 0;
  for (const Shard& shard : model.shards()) {
    ++summary.shard_count;
    summary.stored_bytes += shard.size_bytes;
    summary.header_bytes += shard.header.data_offset();
    summary.manifest_bytes += shard.manifest_size_bytes;
    fp8_bytes += AddUnits(shard, &summary);
  }
  AddFiles(model.directory_record(), &summary);
  summary.stored_bytes += summary.other_file_bytes;
  if (summary.fp8_weights > 0) {
    summary.bits_per_fp8_weight =
        8.0 * static_cast<double>(fp8_bytes) / static_cast<double>(summary.fp8_weights);
  }
  return summary;
}

}  // namespace ecf8
