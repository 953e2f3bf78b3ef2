#include "tools/gpu_bench/bench_weights.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "decoder/chunk_encoder.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "decoder/table_search.h"
#include "tools/workloads/synthetic_weights.h"

namespace ecf8 {
namespace {

constexpr size_t kColumns = 2048;

BenchWeights Encode(std::string source, std::vector<uint8_t> weights) {
  TableSearch search(Codec::kE4M3);
  search.Add(weights);
  BenchWeights bench = {std::move(source), std::move(weights), search.Build(), {}};
  ChunkEncoder encoder(bench.tables);
  for (size_t at = 0; at < bench.weights.size(); at += kChunkWeights) {
    bench.chunks.emplace_back();
    encoder.Encode(absl::MakeSpan(bench.weights).subspan(at, kChunkWeights), &bench.chunks.back());
  }
  return bench;
}

}  // namespace

uint64_t BenchWeights::stored_bytes() const {
  uint64_t bytes = 0;
  for (const std::vector<uint8_t>& chunk : chunks) bytes += chunk.size();
  return bytes;
}

BenchWeights SyntheticBenchWeights(uint64_t chunks) {
  std::vector<uint8_t> weights(chunks * kChunkWeights);
  FillSyntheticE4M3(/*seed=*/1, kColumns, absl::MakeSpan(weights));
  return Encode("synthetic", std::move(weights));
}

absl::StatusOr<BenchWeights> ModelBenchWeights(const CompressedModel& model, uint64_t chunks) {
  const uint64_t most = chunks * kChunkWeights;
  std::vector<uint8_t> weights;
  std::vector<uint8_t> scratch;
  for (uint32_t u = 0; u < model.unit_count() && weights.size() < most; ++u) {
    ECF8_ASSIGN_OR_RETURN(const UnitTables tables, model.ReadTables(u));
    const Unit& unit = model.unit(u);
    for (uint32_t p = 0; p < unit.pieces.size(); ++p) {
      const Piece& piece = unit.pieces[p];
      if (piece.codec != Codec::kE4M3) continue;
      for (uint32_t c = 0; c < piece.chunks.size(); ++c) {
        const size_t begin = weights.size();
        weights.resize(begin + ChunkWeightsAt(piece.decoded_size_bytes, c));
        ECF8_RETURN_IF_ERROR(model.ReadDecodedChunk({u, p}, c, tables, &scratch,
                                                    absl::MakeSpan(weights).subspan(begin)));
      }
    }
  }
  weights.resize(std::min<uint64_t>(weights.size(), most) / kChunkWeights * kChunkWeights);
  if (weights.empty()) {
    return absl::FailedPreconditionError(model.name() + " has no " + std::to_string(kChunkWeights) +
                                         " E4M3 weights");
  }
  return Encode(model.name(), std::move(weights));
}

}  // namespace ecf8
