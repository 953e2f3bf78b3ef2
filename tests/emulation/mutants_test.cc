// The kernel with planted bugs (CMakeLists.txt has them): the emulator must find every one. On
// right streams most of them would give right weights, on most GPUs.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "decoder/chunk_encoder.h"
#include "decoder/chunk_layout.h"
#include "decoder/tile_decode_cuda.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"
#include "tests/emulation/emulated_decoder.h"
#include "tests/emulation/warp_emulator.h"

namespace ecf8 {

#define ECF8_MUTANT(name)                     \
  int Prepare_##name(TileDecodeShape* shape); \
  int Launch_##name(const TileDecodeShape& shape, const TileWork& work, void* stream)
ECF8_MUTANT(mutant_read_too_early);
ECF8_MUTANT(mutant_overwritten_too_early);
ECF8_MUTANT(mutant_divergent);
ECF8_MUTANT(mutant_unbounded_words);
ECF8_MUTANT(mutant_unbounded_raw);
ECF8_MUTANT(mutant_unbounded_words_prefetch);
ECF8_MUTANT(mutant_unbounded_raw_prefetch);
ECF8_MUTANT(mutant_unbounded_store);
ECF8_MUTANT(mutant_small_ring);
ECF8_MUTANT(mutant_trusts_tables);
#undef ECF8_MUTANT

namespace emulation {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<uint8_t>;

// What the emulator says of a kernel that decodes this chunk in two warps; "" if nothing.
std::string ErrorOn(const TileDecodeFunctions& functions, const TableSet& tables,
                    const Bytes& stored, size_t weights) {
  EmulatedDecoder decoder(functions);
  const size_t number = decoder.AddTables(tables);
  EXPECT_TRUE(decoder.Add({tables.codec(), stored, weights}, number, 0, TileCount(weights)).ok());
  const absl::Status status = decoder.Run();
  return status.code() == absl::StatusCode::kInternal ? std::string(status.message()) : "";
}

// A chunk of ones whose only tile begins at the end of the words: it runs through the raw bits and
// past the chunk's end, by the longest codes.
Bytes Ones(Codec codec, size_t weights) {
  const ChunkLayout layout(codec, weights);
  Bytes stored(layout.words_begin + 64 + layout.raw_size, 0xFF);
  for (size_t at = layout.tables_begin; at < layout.words_begin; ++at) stored[at] = 0;
  const size_t end = stored.size() - layout.raw_size;
  for (size_t i = 0; i < 4; ++i) stored[i] = static_cast<uint8_t>(end >> (8 * i));
  return stored;
}

// The first error on right streams of both codecs, with and without a ragged end, and bad ones.
std::string ErrorOf(const TileDecodeFunctions& functions) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    const Bytes weights = MakeWeights("mixed", codec, 2 * kTileWeights + 700, 1);
    const TableSet tables = TablesFor(codec, weights);
    for (uint64_t schedule = 0; schedule < 4; ++schedule) {
      Device().schedule = schedule;
      for (const size_t size : {weights.size(), size_t{4096}}) {
        Bytes stored;
        ChunkEncoder(tables).Encode(absl::MakeSpan(weights).subspan(0, size), &stored);
        const std::string error = ErrorOn(functions, tables, stored, size);
        if (!error.empty()) return error;
      }
      Bytes ones = Ones(codec, 20'000);
      std::string error = ErrorOn(functions, tables, ones, 20'000);
      if (!error.empty()) return error;
      ones[ChunkLayout(codec, 20'000).tables_begin] = 0xFF;
      error = ErrorOn(functions, tables, ones, 20'000);
      if (!error.empty()) return error;
    }
  }
  return "";
}

TEST(MutantsTest, TheKernelItselfHasNone) { EXPECT_EQ(ErrorOf(kTileDecode), ""); }

TEST(MutantsTest, RacesAreFound) {
  EXPECT_THAT(ErrorOf({Prepare_mutant_read_too_early, Launch_mutant_read_too_early}),
              HasSubstr("race: read"));
  EXPECT_THAT(ErrorOf({Prepare_mutant_overwritten_too_early, Launch_mutant_overwritten_too_early}),
              HasSubstr("race: write"));
  EXPECT_THAT(ErrorOf({Prepare_mutant_small_ring, Launch_mutant_small_ring}), HasSubstr("race: "));
}

TEST(MutantsTest, DivergenceIsFound) {
  EXPECT_THAT(ErrorOf({Prepare_mutant_divergent, Launch_mutant_divergent}),
              HasSubstr("divergence"));
}

TEST(MutantsTest, AccessesOutOfBoundsAreFound) {
  EXPECT_THAT(ErrorOf({Prepare_mutant_unbounded_words, Launch_mutant_unbounded_words}),
              HasSubstr("out of bounds"));
  EXPECT_THAT(ErrorOf({Prepare_mutant_unbounded_raw, Launch_mutant_unbounded_raw}),
              HasSubstr("out of bounds"));
  EXPECT_THAT(
      ErrorOf({Prepare_mutant_unbounded_words_prefetch, Launch_mutant_unbounded_words_prefetch}),
      HasSubstr("prefetch of global memory out of bounds"));
  EXPECT_THAT(
      ErrorOf({Prepare_mutant_unbounded_raw_prefetch, Launch_mutant_unbounded_raw_prefetch}),
      HasSubstr("prefetch of global memory out of bounds"));
  EXPECT_THAT(ErrorOf({Prepare_mutant_unbounded_store, Launch_mutant_unbounded_store}),
              HasSubstr("out of bounds"));
  EXPECT_THAT(ErrorOf({Prepare_mutant_trusts_tables, Launch_mutant_trusts_tables}),
              HasSubstr("out of bounds"));
}

}  // namespace
}  // namespace emulation
}  // namespace ecf8
