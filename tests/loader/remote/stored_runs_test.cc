#include "loader/remote/stored_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

class StoredRunsTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  StoredRunsTest() {
    testing::MakeCompressedModel(directory_.path(), "model", {.layers = 1});
    model_ = testing::OpenModel(directory_ / "model");
  }

  std::vector<uint8_t> Read(uint32_t unit, const StoredRun& run) const {
    std::vector<uint8_t> bytes(run.size_bytes);
    EXPECT_THAT(model_->shard_of(unit).file.ReadAt(
                    model_->unit(unit).offset_bytes + run.offset_bytes, absl::MakeSpan(bytes)),
                IsOk());
    return bytes;
  }

  testing::TempDir directory_;
  std::shared_ptr<const CompressedModel> model_;
};

TEST_P(StoredRunsTest, CoverTheUnitButForZerosAndPass) {
  for (uint32_t u = 0; u < model_->unit_count(); ++u) {
    const Unit& unit = model_->unit(u);
    uint64_t end = 0;
    for (const StoredRun& run : SplitUnit(unit, GetParam())) {
      EXPECT_GE(run.offset_bytes, end);
      EXPECT_LT(run.offset_bytes, end + kStoredAlignmentBytes);
      for (const uint8_t byte : Read(u, {end, run.offset_bytes - end})) EXPECT_EQ(byte, 0);
      end = run.offset_bytes + run.size_bytes;
      EXPECT_LE(run.size_bytes, std::max<uint64_t>(GetParam(), kChunkWeights));
      EXPECT_THAT(CheckRun(unit, run, Read(u, run)), IsOk());
    }
    EXPECT_EQ(end, unit.stored_size_bytes);
  }
}

TEST_P(StoredRunsTest, EveryFlippedByteIsFound) {
  for (uint32_t u = 0; u < model_->unit_count(); ++u) {
    const Unit& unit = model_->unit(u);
    for (const StoredRun& run : SplitUnit(unit, GetParam())) {
      std::vector<uint8_t> bytes = Read(u, run);
      // Each byte of the first and the last few hundred, and one of a thousand between: tables,
      // chunks and what lies between pieces.
      for (size_t i = 0; i < bytes.size(); i += i < 400 || i + 1400 > bytes.size() ? 1 : 997) {
        bytes[i] ^= 0x10;
        EXPECT_THAT(CheckRun(unit, run, bytes),
                    StatusIs(absl::StatusCode::kDataLoss, HasSubstr("")))
            << unit.id << " " << i;
        bytes[i] ^= 0x10;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, StoredRunsTest, ::testing::Values(1, 1'500'000, 8 << 20));

TEST(StoredRuns, AUnitOfNothingHasNone) { EXPECT_TRUE(SplitUnit(Unit(), 1).empty()); }

}  // namespace
}  // namespace ecf8
