#include "loader/cache/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "loader/cache/byte_stream.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

constexpr size_t kHeaderBytes = 32;
constexpr size_t kRecordBytes = 16;

Trace SmallTrace() {
  Trace trace;
  trace.models.push_back({7,
                          {{"embed", 100, 120, 0, false},
                           {"layers.3", 5, 6, 3, false},
                           {"layers.3.experts.11", 1, 2, 3, true}}});
  trace.models.push_back({~uint64_t{0}, {{std::string(128, 'x'), 0, 0, ~uint32_t{0}, true}}});
  trace.records = {
      {0, 0, 0, Access::kDemand}, {5, 2, 0, Access::kHint}, {~uint64_t{0}, 0, 1, Access::kPreload}};
  return trace;
}

std::vector<uint8_t> BytesOf(const Trace& trace) {
  const testing::TempDir directory;
  const std::string path = directory / "trace";
  auto writer = TraceWriter::Create(path, trace.models);
  EXPECT_THAT(writer, IsOk());
  for (const TraceRecord& record : trace.records) EXPECT_THAT(writer->Append(record), IsOk());
  EXPECT_THAT(writer->Flush(), IsOk());
  return *ReadWhole(path, 1 << 20);
}

// Makes the checksum of the tables right again.
void Rehash(std::vector<uint8_t>& bytes) {
  const uint64_t size = LoadLe64(bytes.data() + 16);
  StoreLe64(bytes.data() + 24, Xxh3(absl::MakeConstSpan(bytes).subspan(kHeaderBytes, size)));
}

TEST(Trace, ComesBackAsItWasWritten) {
  const Trace trace = SmallTrace();
  const auto parsed = ParseTrace(BytesOf(trace));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(*parsed, trace);
}

TEST(Trace, WithoutModelsOrRecords) {
  const auto parsed = ParseTrace(BytesOf({}));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(*parsed, Trace());
}

TEST(Trace, MoreRecordsThanTheBuffer) {
  Trace trace = SmallTrace();
  trace.records.clear();
  for (uint64_t i = 0; i < 70'000; ++i) {  // 16 bytes each: more than 1 MiB
    trace.records.push_back({i, static_cast<uint32_t>(i % 3), 0, Access::kDemand});
  }
  const testing::TempDir directory;
  const std::string path = directory / "trace";
  auto writer = TraceWriter::Create(path, trace.models);
  ASSERT_THAT(writer, IsOk());
  for (const TraceRecord& record : trace.records) ASSERT_THAT(writer->Append(record), IsOk());
  ASSERT_THAT(writer->Flush(), IsOk());
  const auto parsed = ReadTrace(path);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->records, trace.records);
}

TEST(Trace, CutShortInARecordKeepsTheOthers) {
  const Trace trace = SmallTrace();
  const std::vector<uint8_t> bytes = BytesOf(trace);
  for (size_t cut = 1; cut < kRecordBytes; ++cut) {
    const auto parsed = ParseTrace(absl::MakeConstSpan(bytes).first(bytes.size() - cut));
    ASSERT_THAT(parsed, IsOk());
    ASSERT_EQ(parsed->records.size(), 2u);
    EXPECT_EQ(parsed->records[1], trace.records[1]);
  }
}

TEST(Trace, CutShortInTheTablesIsDamage) {
  const std::vector<uint8_t> bytes = BytesOf(SmallTrace());
  const size_t tables_end = bytes.size() - 3 * kRecordBytes;
  for (size_t size = 0; size < tables_end; ++size) {
    EXPECT_THAT(ParseTrace(absl::MakeConstSpan(bytes).first(size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("trace")));
  }
}

TEST(Trace, EveryFlippedBitOfTheTablesIsDamage) {
  const std::vector<uint8_t> bytes = BytesOf(SmallTrace());
  for (size_t i = 12; i < bytes.size() - 3 * kRecordBytes; ++i) {
    std::vector<uint8_t> flipped = bytes;
    flipped[i] ^= 4;
    EXPECT_THAT(ParseTrace(flipped), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("trace")));
  }
}

TEST(Trace, AnotherVersion) {
  std::vector<uint8_t> bytes = BytesOf(SmallTrace());
  StoreLe32(bytes.data() + 8, 2);
  EXPECT_THAT(ParseTrace(bytes), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("version")));
}

TEST(Trace, TablesThatLie) {
  const std::vector<uint8_t> good = BytesOf(SmallTrace());
  const auto with = [&good](size_t offset, uint8_t value) {
    std::vector<uint8_t> bytes = good;
    bytes[kHeaderBytes + offset] = value;
    Rehash(bytes);
    return ParseTrace(bytes).status();
  };
  constexpr auto kDamage = absl::StatusCode::kDataLoss;
  EXPECT_THAT(with(0, 9), IsOk());  // the digest may be anything
  EXPECT_THAT(with(8, 200), StatusIs(kDamage, HasSubstr("units")));
  EXPECT_THAT(with(11, 200), StatusIs(kDamage, HasSubstr("units")));
  EXPECT_THAT(with(12 + 7, 200), StatusIs(kDamage, HasSubstr("too large")));
  EXPECT_THAT(with(12 + 20, 2), StatusIs(kDamage, HasSubstr("wrong")));
  EXPECT_THAT(with(12 + 21, 0), StatusIs(kDamage, HasSubstr("id")));
  EXPECT_THAT(with(12 + 22, 0xff), StatusIs(kDamage, HasSubstr("UTF-8")));
}

TEST(Trace, RecordsThatLie) {
  const std::vector<uint8_t> good = BytesOf(SmallTrace());
  const auto with = [&good](size_t offset, uint8_t value) {
    std::vector<uint8_t> bytes = good;
    bytes[bytes.size() - kRecordBytes + offset] = value;
    return ParseTrace(bytes).status();
  };
  constexpr auto kDamage = absl::StatusCode::kDataLoss;
  EXPECT_THAT(with(8, 1), StatusIs(kDamage, HasSubstr("not there")));
  EXPECT_THAT(with(12, 2), StatusIs(kDamage, HasSubstr("not there")));
  EXPECT_THAT(with(14, 3), StatusIs(kDamage, HasSubstr("kind")));
  EXPECT_THAT(with(15, 1), StatusIs(kDamage, HasSubstr("kind")));
}

TEST(TraceWriter, RefusesWhatAReaderWould) {
  const testing::TempDir directory;
  const std::string path = directory / "trace";
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const auto create = [&path](const TraceUnit& unit) {
    return TraceWriter::Create(path, {{1, {unit}}}).status();
  };
  EXPECT_THAT(create({"", 1, 1, 0, false}), StatusIs(kInvalid, HasSubstr("id")));
  EXPECT_THAT(create({std::string(129, 'x'), 1, 1, 0, false}), StatusIs(kInvalid, HasSubstr("id")));
  EXPECT_THAT(create({"x", kMaxTraceUnitBytes + 1, 1, 0, false}),
              StatusIs(kInvalid, HasSubstr("large")));
  EXPECT_THAT(TraceWriter::Create(path, std::vector<TraceModel>(65)).status(),
              StatusIs(kInvalid, HasSubstr("64")));
  EXPECT_THAT(create({"x", 1, 1, 0, false}), IsOk());
  EXPECT_THAT(create({"x", 1, 1, 0, false}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("trace")));
}

}  // namespace
}  // namespace ecf8
