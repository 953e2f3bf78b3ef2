// Table search, every encoder, oracle and every decoder: any weights come back.
//
// Input: codec and size (1 byte), repetitions (1), weights.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_decoder.h"
#include "decoder/chunk_encoder.h"
#include "decoder/decoders.h"
#include "decoder/encoders.h"
#include "decoder/table_search.h"
#include "tests/support/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ecf8;  // NOLINT(google-build-using-namespace)
  if (size < 2) return 0;
  const Codec codec = (data[0] & 1) != 0 ? Codec::kE4M3 : Codec::kE5M2;
  std::vector<uint8_t> weights;
  // The oracle is slow: most inputs are to be small.
  const size_t most = (data[0] & 2) != 0 ? 2 * kTileWeights : 4 * kGroupWeights;
  for (int i = 0; i <= data[1] && weights.size() < most; ++i) {
    weights.insert(weights.end(), data + 2, data + size);
  }
  if (weights.size() > kChunkWeights) weights.resize(kChunkWeights);
  TableSearch search(codec);
  search.Add(weights);
  const TableSet tables = search.Build();
  std::vector<uint8_t> stored;
  ChunkEncoder(tables).Encode(weights, &stored);
  if (stored.size() > weights.size()) std::abort();
  for (const EncoderImplementation& encoder : AllEncoders()) {
    if (!encoder.supported()) continue;
    std::vector<uint8_t> same;
    ChunkEncoder(tables, encoder).Encode(weights, &same);
    if (same != stored) std::abort();
  }
  const auto format = static_cast<oracle::Format>(codec);
  const auto oracle_tables = oracle::ParseTables(format, tables.Serialize());
  if (!oracle_tables.has_value()) std::abort();
  if (oracle::DecodeChunk(format, *oracle_tables, stored, weights.size()) != weights) std::abort();
  for (const DecoderImplementation& decoder : AllDecoders()) {
    if (!decoder.supported()) continue;
    std::vector<uint8_t> out(weights.size());
    if (!DecodeTilesWith(decoder, {codec, stored, weights.size()}, &tables, 0,
                         TileCount(weights.size()), absl::MakeSpan(out))
             .ok() ||
        out != weights) {
      std::abort();
    }
  }
  return 0;
}
