#include "tests/support/model_chunks.h"

#include <utility>

#include "decoder/status_macros.h"
#include "tests/support/oracle.h"

namespace ecf8::testing {
namespace {

std::vector<oracle::Table> OracleTables(const TableSet* tables) {
  if (tables == nullptr) return {};
  return oracle::ParseTables(static_cast<oracle::Format>(tables->codec()), tables->Serialize())
      .value();
}

}  // namespace

absl::Status ForEachUnit(const CompressedModel& model, const ChunkFilter& filter,
                         const std::function<absl::Status(const ExpectedUnit&)>& visit) {
  uint64_t seen = 0;
  for (uint32_t u = 0; u < model.unit_count(); ++u) {
    const Unit& unit = model.unit(u);
    ExpectedUnit expected{.id = unit.id, .tables = {}, .chunks = {}};
    ECF8_ASSIGN_OR_RETURN(expected.tables, model.ReadTables(u));
    const std::vector<oracle::Table> e4m3 = OracleTables(expected.tables.e4m3.get());
    const std::vector<oracle::Table> e5m2 = OracleTables(expected.tables.e5m2.get());
    for (uint32_t p = 0; p < unit.pieces.size(); ++p) {
      const Piece& piece = unit.pieces[p];
      if (filter.only_coded && piece.codec == Codec::kRaw) continue;
      for (uint32_t c = 0; c < piece.chunks.size(); ++c) {
        if (seen++ % filter.every != 0) continue;
        ExpectedChunk chunk{.codec = piece.codec, .stored = {}, .weights = {}};
        ECF8_RETURN_IF_ERROR(model.ReadStoredChunk({u, p}, c, &chunk.stored));
        auto weights = oracle::DecodeChunk(static_cast<oracle::Format>(piece.codec),
                                           piece.codec == Codec::kE5M2 ? e5m2 : e4m3, chunk.stored,
                                           ChunkWeightsAt(piece.decoded_size_bytes, c));
        if (!weights)
          return absl::DataLossError("unit " + unit.id + ": the oracle refuses a chunk");
        chunk.weights = *std::move(weights);
        expected.chunks.push_back(std::move(chunk));
      }
    }
    ECF8_RETURN_IF_ERROR(visit(expected));
  }
  return absl::OkStatus();
}

}  // namespace ecf8::testing
