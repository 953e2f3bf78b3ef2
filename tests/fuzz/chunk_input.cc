#include "tests/fuzz/chunk_input.h"

#include <algorithm>
#include <map>
#include <utility>

#include "decoder/chunk_layout.h"
#include "decoder/endian.h"
#include "decoder/huffman.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

constexpr size_t kHeader = 5;
// The oracle is slow: most inputs are to be small.
constexpr size_t kFewWeights = 8 * kGroupWeights;
constexpr size_t kMostWeights = 3 * kTileWeights;

struct Tables {
  TableSet tables;
  std::vector<oracle::Table> oracle;
};

Tables MakeTables(Codec codec, uint8_t seed) {
  TestRandom random(seed);
  std::vector<CodeTable> tables;
  for (size_t i = 0; i <= seed % kMaxTables; ++i) {
    std::vector<uint64_t> counts(SymbolCount(codec), 0);
    const size_t present = random.Below(3) == 0 ? 1 + random.Below(3) : counts.size();
    for (size_t s = 0; s < present; ++s) counts[s] = 1 + (random.Next() >> (8 + random.Below(56)));
    tables.push_back(
        CodeTable::FromLengths(codec, LimitedCodeLengths(counts, kMaxCodeLength)).value());
  }
  const TableSet set(codec, std::move(tables));
  return {set, oracle::ParseTables(static_cast<oracle::Format>(codec), set.Serialize()).value()};
}

// Made once: with sanitizers, that takes longer than decoding.
const Tables& TablesOf(Codec codec, uint8_t seed) {
  static auto& made = *new std::map<std::pair<Codec, uint8_t>, Tables>;
  const auto key = std::make_pair(codec, seed);
  const auto found = made.find(key);
  return found != made.end() ? found->second
                             : made.emplace(key, MakeTables(codec, seed)).first->second;
}

// Random bytes seldom have a chunk's size: gives them one, and valid offsets if `offsets`. With
// `words`, adds about as many words as a coded chunk has. What is added is random: among equal
// words a decoder that takes the wrong one would not be noticed.
void MakePlausible(Codec codec, size_t weights, bool offsets, bool words,
                   std::vector<uint8_t>* stored) {
  const ChunkLayout layout(codec, weights);
  const size_t words_end =
      AlignToSection(std::max(stored->size(), layout.words_begin + (words ? weights * 3 / 8 : 0)));
  TestRandom random(stored->size());
  while (stored->size() < words_end + layout.raw_size) {
    stored->push_back(static_cast<uint8_t>(random.Next()));
  }
  for (size_t tile = 0; offsets && tile < TileCount(weights); ++tile) {
    uint8_t* offset = stored->data() + 4 * tile;
    const size_t range = words_end - layout.words_begin;
    StoreLe32(offset,
              static_cast<uint32_t>(layout.words_begin + LoadLe32(offset) % (range / 2 + 1) * 2));
  }
}

}  // namespace

std::optional<ChunkInput> MakeChunkInput(const uint8_t* data, size_t size) {
  if (size < kHeader) return std::nullopt;
  const Codec codec = (data[0] & 1) != 0 ? Codec::kE4M3 : Codec::kE5M2;
  const Tables& tables = TablesOf(codec, data[1]);
  const size_t most = (data[0] & 8) != 0 ? kMostWeights : kFewWeights;
  ChunkInput input{.codec = codec,
                   .tables = &tables.tables,
                   .weights = (LoadLe32(data + 1) >> 8) % (most + 1),
                   .stored = {data + kHeader, data + size},
                   .expected = {}};
  if ((data[0] & 2) != 0) {
    MakePlausible(codec, input.weights, (data[0] & 4) != 0, (data[0] & 16) != 0, &input.stored);
  }
  input.expected = oracle::DecodeChunk(static_cast<oracle::Format>(codec), tables.oracle,
                                       input.stored, input.weights);
  return input;
}

}  // namespace ecf8
