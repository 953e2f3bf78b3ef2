// All encoders of this machine give the same bytes, and those of the format.
#include "decoder/encoders.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_encoder.h"
#include "decoder/symbol_set.h"
#include "gtest/gtest.h"
#include "tests/decoder/guarded_buffer.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

TEST(EncodersTest, NamesAreUniqueAndPortableIsTheLastResort) {
  std::set<std::string_view> names;
  for (const EncoderImplementation& encoder : AllEncoders()) names.insert(encoder.name);
  EXPECT_EQ(names.size(), AllEncoders().size());
  EXPECT_EQ(AllEncoders().back().name, "portable");
  EXPECT_TRUE(AllEncoders().back().supported());
  EXPECT_TRUE(SelectedEncoder().supported());
}

TEST(EncodersTest, AllFindTheOneSymbolThatASetLacks) {
  for (const EncoderImplementation& encoder : AllEncoders()) {
    if (!encoder.supported()) continue;
    for (size_t absent = 0; absent < 256; ++absent) {
      std::vector<uint64_t> counts(256, 1);
      counts[absent] = 0;
      const SymbolSet set(counts);
      std::vector<uint8_t> symbols(kGroupSymbols, static_cast<uint8_t>(absent + 1));
      ASSERT_FALSE(encoder.lacks_e4m3(set, symbols.data())) << encoder.name << " " << absent;
      symbols[absent * 37 % kGroupSymbols] = static_cast<uint8_t>(absent);
      ASSERT_TRUE(encoder.lacks_e4m3(set, symbols.data())) << encoder.name << " " << absent;
    }
  }
}

class EncodersAgreeTest : public testing::TestWithParam<Codec> {};

TEST_P(EncodersAgreeTest, OnEveryKindAndSize) {
  const Codec codec = GetParam();
  const auto format = static_cast<oracle::Format>(codec);
  for (const std::string_view kind : WeightKinds()) {
    for (const size_t size : {1u, 511u, 512u, 5000u, 32768u, 33000u, 100'000u}) {
      const std::vector<uint8_t> weights = MakeWeights(kind, codec, size, size);
      const TableSet tables = TablesFor(codec, weights);
      const std::string what = std::string(kind) + " " + std::to_string(size);
      std::vector<uint8_t> expected;
      ChunkEncoder(tables, AllEncoders().back()).Encode(weights, &expected);
      const auto decoded = oracle::DecodeChunk(
          format, oracle::ParseTables(format, tables.Serialize()).value(), expected, size);
      ASSERT_TRUE(decoded == weights) << what;
      for (const EncoderImplementation& encoder : AllEncoders()) {
        if (!encoder.supported()) continue;
        const GuardedBuffer input(weights, GuardedBuffer::Place::kAtEnd);
        std::vector<uint8_t> stored;
        ChunkEncoder(tables, encoder).Encode(input.span(), &stored);
        ASSERT_TRUE(stored == expected) << encoder.name << " " << what;
      }
    }
  }
}

// Tables of other weights: some groups fit no table, some only a poor one.
TEST_P(EncodersAgreeTest, OnTablesThatDoNotFit) {
  const Codec codec = GetParam();
  for (const std::string_view of : {"two_symbols", "mixed", "fibonacci"}) {
    const TableSet tables = TablesFor(codec, MakeWeights(of, codec, 50'000, 1));
    for (const std::string_view kind : WeightKinds()) {
      const std::vector<uint8_t> weights = MakeWeights(kind, codec, 40'000, 2);
      std::vector<uint8_t> expected;
      ChunkEncoder(tables, AllEncoders().back()).Encode(weights, &expected);
      for (const EncoderImplementation& encoder : AllEncoders()) {
        if (!encoder.supported()) continue;
        std::vector<uint8_t> stored;
        ChunkEncoder(tables, encoder).Encode(weights, &stored);
        ASSERT_TRUE(stored == expected) << encoder.name << " " << of << " " << kind;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, EncodersAgreeTest, testing::Values(Codec::kE4M3, Codec::kE5M2),
                         [](const auto& param_info) -> std::string {
                           return param_info.param == Codec::kE4M3 ? "E4M3" : "E5M2";
                         });

}  // namespace
}  // namespace ecf8
