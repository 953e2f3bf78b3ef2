#include "rpc/describe.h"

#include <numeric>
#include <string>

#include "loader/checkpoint/dtype.h"

namespace ecf8 {
namespace {

static_assert(static_cast<int>(Codec::kRaw) == v1::CODEC_RAW);
static_assert(static_cast<int>(Codec::kE4M3) == v1::CODEC_E4M3);
static_assert(static_cast<int>(Codec::kE5M2) == v1::CODEC_E5M2);

void FillTensor(const Piece& piece, bool with_chunks, v1::Tensor* out) {
  out->set_name(piece.tensor);
  out->set_dtype(std::string(DTypeName(piece.dtype)));
  out->mutable_shape()->Add(piece.shape.begin(), piece.shape.end());
  out->set_tensor_offset_bytes(piece.tensor_offset_bytes);
  out->set_size_bytes(piece.decoded_size_bytes);
  out->set_decoded_offset_bytes(piece.decoded_offset_bytes);
  out->set_stored_offset_bytes(piece.stored_offset_bytes);
  out->set_stored_size_bytes(piece.stored_size_bytes);
  out->set_decoded_xxh3(piece.decoded_xxh3);
  out->set_codec(static_cast<v1::Codec>(piece.codec));
  if (!with_chunks) return;
  for (const Chunk& chunk : piece.chunks) {
    out->add_chunk_stored_size_bytes(chunk.stored_size_bytes);
    out->add_chunk_xxh3(chunk.xxh3);
  }
}

}  // namespace

void FillModel(const CompressedModel& model, v1::Model* out) {
  uint64_t decoded_bytes = 0;
  uint64_t stored_bytes = 0;
  uint32_t tensors = 0;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const Unit& unit = model.unit(i);
    stored_bytes += unit.stored_size_bytes;
    for (const Piece& piece : unit.pieces) {
      decoded_bytes += piece.decoded_size_bytes;
      if (piece.tensor_offset_bytes == 0) ++tensors;  // a split tensor counts once
    }
  }
  out->set_name(model.name());
  out->set_digest(model.digest());
  out->set_first_shard(model.shards()[0].file_name);
  out->set_decoded_size_bytes(decoded_bytes);
  out->set_stored_size_bytes(stored_bytes);
  out->set_unit_count(model.unit_count());
  out->set_tensor_count(tensors);
}

void FillUnit(const CompressedModel& model, uint32_t unit_index,
              const std::vector<uint32_t>& pieces, bool with_chunks, v1::Unit* out) {
  const Unit& unit = model.unit(unit_index);
  out->set_index(unit_index);
  out->set_id(unit.id);
  out->set_stored_size_bytes(unit.stored_size_bytes);
  out->set_decoded_size_bytes(unit.decoded_size_bytes);
  out->set_stored_xxh3(unit.stored_xxh3);
  for (const uint32_t piece : pieces) {
    FillTensor(unit.pieces[piece], with_chunks, out->add_tensors());
  }
  if (!with_chunks) return;
  for (const TableSetInfo& tables : unit.table_sets) {
    v1::TableSet* const set = out->add_table_sets();
    set->set_codec(static_cast<v1::Codec>(tables.codec));
    set->set_table_count(tables.table_count);
  }
  out->set_tables_xxh3(unit.tables_xxh3);
}

void FillWholeUnit(const CompressedModel& model, uint32_t unit_index, bool with_chunks,
                   v1::Unit* out) {
  std::vector<uint32_t> pieces(model.unit(unit_index).pieces.size());
  std::iota(pieces.begin(), pieces.end(), 0u);
  FillUnit(model, unit_index, pieces, with_chunks, out);
}

}  // namespace ecf8
