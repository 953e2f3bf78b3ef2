#include "decoder/code_table.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/huffman.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

std::vector<uint8_t> SomeLengths(Codec codec, uint64_t seed) {
  TestRandom random(seed);
  std::vector<uint64_t> counts(SymbolCount(codec));
  for (uint64_t& count : counts) count = random.Next() >> (8 + random.Below(56));
  return LimitedCodeLengths(counts, kMaxCodeLength);
}

TableSet SomeTables(Codec codec, size_t count) {
  std::vector<CodeTable> tables;
  for (size_t i = 0; i < count; ++i) {
    tables.push_back(CodeTable::FromLengths(codec, SomeLengths(codec, i)).value());
  }
  return TableSet(codec, std::move(tables));
}

class CodeTableTest : public testing::TestWithParam<Codec> {};

TEST_P(CodeTableTest, SerialisesAndParses) {
  for (size_t count = 1; count <= kMaxTables; ++count) {
    const TableSet tables = SomeTables(GetParam(), count);
    const std::vector<uint8_t> bytes = tables.Serialize();
    ASSERT_EQ(bytes.size(), TableSet::SerializedSize(GetParam(), count));
    const auto parsed = TableSet::Parse(GetParam(), bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ(parsed->size(), count);
    EXPECT_EQ(parsed->codec(), GetParam());
    EXPECT_EQ(parsed->Serialize(), bytes);
  }
}

TEST_P(CodeTableTest, LooksUpWhatTheOracleReads) {
  const TableSet tables = SomeTables(GetParam(), 3);
  const auto oracle =
      oracle::ParseTables(static_cast<oracle::Format>(GetParam()), tables.Serialize());
  ASSERT_TRUE(oracle.has_value());
  const int shift = GetParam() == Codec::kE4M3 ? 8 : 6;
  for (size_t i = 0; i < tables.size(); ++i) {
    size_t entries = 0;
    for (const oracle::Code& code : (*oracle)[i]) {
      const size_t begin = size_t{code.code} << (kMaxCodeLength - code.length);
      const size_t count = kLutEntries >> code.length;
      for (size_t e = begin; e < begin + count; ++e) {
        ASSERT_EQ(tables.luts()[i * kLutEntries + e], code.symbol << shift | code.length);
      }
      entries += count;
    }
    EXPECT_EQ(entries, kLutEntries);
  }
}

TEST_P(CodeTableTest, CopiesAreWholeAndAligned) {
  TableSet copy = SomeTables(GetParam(), 1);
  {
    const TableSet original = SomeTables(GetParam(), 2);
    copy = original;
  }
  const TableSet second(copy);
  const TableSet moved = std::move(copy);
  EXPECT_EQ(moved.size(), 2u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(moved.luts()) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.luts()) % 64, 0u);
  for (size_t i = 0; i < 2 * kLutEntries; ++i) ASSERT_EQ(moved.luts()[i], second.luts()[i]);
}

TEST_P(CodeTableTest, RejectsWhatIsNotACompleteCode) {
  const std::vector<uint8_t> good = SomeTables(GetParam(), 1).Serialize();
  const auto status = [](const std::vector<uint8_t>& bytes) {
    return TableSet::Parse(GetParam(), bytes).status().code();
  };
  std::vector<uint8_t> empty_code(good.size(), 0);
  EXPECT_EQ(status(empty_code), absl::StatusCode::kInvalidArgument);
  std::vector<uint8_t> single = empty_code;
  single[5] = 0x10;
  EXPECT_EQ(status(single), absl::StatusCode::kOk);
  single[5] = 0x20;
  EXPECT_EQ(status(single), absl::StatusCode::kInvalidArgument) << "a single symbol of length 2";
  std::vector<uint8_t> two = empty_code;
  two[5] = 0x11;
  EXPECT_EQ(status(two), absl::StatusCode::kOk);
  two[6] = 0x01;
  EXPECT_EQ(status(two), absl::StatusCode::kInvalidArgument) << "more codes than there is room";
  two[5] = 0x21;
  two[6] = 0;
  EXPECT_EQ(status(two), absl::StatusCode::kInvalidArgument) << "codes that nothing uses";
  std::vector<uint8_t> second_bad = good;
  second_bad.insert(second_bad.end(), empty_code.begin(), empty_code.end());
  EXPECT_EQ(status(second_bad), absl::StatusCode::kInvalidArgument);
}

TEST_P(CodeTableTest, RejectsLengthsAboveTheLimit) {
  // 1, 2, ..., 12, 13, 13 is complete, but too long.
  std::vector<uint8_t> lengths(SymbolCount(GetParam()), 0);
  for (uint8_t i = 0; i < 13; ++i) lengths[i] = i + 1;
  lengths[13] = 13;
  EXPECT_FALSE(CodeTable::FromLengths(GetParam(), lengths).ok());
  lengths[11] = 12;
  lengths[12] = 12;
  lengths[13] = 0;
  EXPECT_TRUE(CodeTable::FromLengths(GetParam(), lengths).ok());
}

TEST_P(CodeTableTest, RejectsWrongSizes) {
  std::vector<uint8_t> bytes = SomeTables(GetParam(), kMaxTables).Serialize();
  const std::vector<uint8_t> one = SomeTables(GetParam(), 1).Serialize();
  EXPECT_FALSE(TableSet::Parse(GetParam(), {}).ok());
  EXPECT_FALSE(TableSet::Parse(GetParam(), absl::MakeSpan(one).subspan(1)).ok());
  EXPECT_FALSE(TableSet::Parse(Codec::kRaw, one).ok());
  EXPECT_FALSE(TableSet::Parse(static_cast<Codec>(3), one).ok());
  bytes.insert(bytes.end(), one.begin(), one.end());
  EXPECT_FALSE(TableSet::Parse(GetParam(), bytes).ok()) << "nine tables";
}

TEST_P(CodeTableTest, AgreesWithTheOracleOnRandomTables) {
  TestRandom random(9);
  std::vector<uint8_t> bytes = SomeTables(GetParam(), 2).Serialize();
  const std::vector<uint8_t> good = bytes;
  for (int round = 0; round < 3000; ++round) {
    bytes = good;
    // Swapping two nibbles keeps a code complete; setting one seldom does.
    if (round % 2 == 0) std::swap(bytes[random.Below(bytes.size())], bytes[random.Below(64)]);
    if (round % 3 == 0) bytes[random.Below(bytes.size())] = static_cast<uint8_t>(random.Next());
    EXPECT_EQ(TableSet::Parse(GetParam(), bytes).ok(),
              oracle::ParseTables(static_cast<oracle::Format>(GetParam()), bytes).has_value());
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodeTableTest, testing::Values(Codec::kE4M3, Codec::kE5M2),
                         [](const auto& param_info) -> std::string {
                           return param_info.param == Codec::kE4M3 ? "E4M3" : "E5M2";
                         });

}  // namespace
}  // namespace ecf8
