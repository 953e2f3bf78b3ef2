#include "loader/cache/heat_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;

const ModelHeat kHeat = {0x1234'5678'9abc'def0, {0, 1, 0.25f, 0.7f}};

TEST(HeatFile, ComesBackNearly) {
  const auto parsed = ParseHeat(SerializeHeat(kHeat));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->digest, kHeat.digest);
  EXPECT_THAT(parsed->chances, ElementsAre(0, 1, FloatNear(0.25f, 1e-4f), FloatNear(0.7f, 1e-4f)));
}

TEST(HeatFile, ChancesAreClamped) {
  const auto parsed = ParseHeat(SerializeHeat({1, {-1, 2, std::nanf("")}}));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(parsed->chances, ElementsAre(0, 1, 0));
}

TEST(HeatFile, NoUnits) {
  const auto parsed = ParseHeat(SerializeHeat({}));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_TRUE(parsed->chances.empty());
}

TEST(HeatFile, EveryFlippedByteAndEveryCutIsAnError) {
  const std::vector<uint8_t> bytes = SerializeHeat(kHeat);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> flipped = bytes;
    flipped[i] ^= 1;
    EXPECT_FALSE(ParseHeat(flipped).ok()) << i;
    EXPECT_THAT(ParseHeat(absl::MakeConstSpan(bytes).first(i)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("heat file")));
  }
}

TEST(HeatFile, ACountThatLiesUnderARightChecksum) {
  std::vector<uint8_t> bytes = SerializeHeat(kHeat);
  for (const uint32_t count : {0u, 3u, 5u, ~0u}) {
    StoreLe32(bytes.data() + 12, count);
    const size_t checked = bytes.size() - 8;
    StoreLe64(bytes.data() + checked, Xxh3(absl::MakeConstSpan(bytes).first(checked)));
    EXPECT_THAT(ParseHeat(bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
  }
}

TEST(HeatFile, IsReplacedAndBelongsToOneModel) {
  const testing::TempDir directory;
  const std::string path = directory / "heat";
  ASSERT_THAT(WriteHeat(path, {kHeat.digest, {0.5f}}), IsOk());
  ASSERT_THAT(WriteHeat(path, kHeat), IsOk());
  const auto read = ReadHeat(path, kHeat.digest, 4);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->chances, ElementsAre(0, 1, _, _));
  constexpr auto kOther = absl::StatusCode::kFailedPrecondition;
  EXPECT_THAT(ReadHeat(path, 1, 4), StatusIs(kOther, HasSubstr("another model")));
  EXPECT_THAT(ReadHeat(path, kHeat.digest, 5), StatusIs(kOther, HasSubstr("another model")));
  EXPECT_THAT(ReadHeat(directory / "none", 1, 4), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(WriteHeat(path, {1, std::vector<float>(kMaxHeatUnits + 1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

}  // namespace
}  // namespace ecf8
