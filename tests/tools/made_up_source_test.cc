#include "tools/workloads/made_up_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "loader/analysis/histogram.h"
#include "loader/model/compress.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;

constexpr MoeShape kSmall = {
    .layers = 2, .experts = 3, .hidden = 640, .expert_width = 300, .vocabulary = 50};

std::string BytesOf(const SourceModel& model) {
  std::string bytes(model.shards[0].bytes->size_bytes(), '\0');
  EXPECT_THAT(
      model.shards[0].bytes->ReadAt(0, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()}),
      IsOk());
  return bytes;
}

TEST(MadeUpSource, IsAModelThatMightLieOnADisk) {
  const TempDir dir;
  testing::WriteFile(dir / "plain/model.safetensors",
                     BytesOf(MakeUpSource(ListMoeTensors(kSmall), 1)));
  const auto plain = OpenSourceModel(dir / "plain");
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(plain->shards[0].header.tensors.size(), ListMoeTensors(kSmall).size());

  ASSERT_THAT(CompressModel(MakeUpSource(ListMoeTensors(kSmall), 1), dir / "packed", {}), IsOk());
  const auto report = VerifyModel(dir / "packed", dir / "plain", {});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
  EXPECT_EQ(report->unit_count, 2 * (1 + 3) + 3u);
}

TEST(MadeUpSource, BytesAreTheSameWhereverAReadBegins) {
  const SourceModel model = MakeUpSource(ListMoeTensors(kSmall), 2);
  const std::string all = BytesOf(model);
  for (uint64_t begin = 1; begin < all.size(); begin += begin / 3 + 777) {
    for (const uint64_t size : {1, 511, 70'000}) {
      std::vector<uint8_t> some(std::min<uint64_t>(size, all.size() - begin));
      ASSERT_THAT(model.shards[0].bytes->ReadAt(begin, absl::MakeSpan(some)), IsOk());
      ASSERT_EQ(std::string(some.begin(), some.end()), all.substr(begin, some.size())) << begin;
    }
  }
  uint8_t byte = 0;
  EXPECT_THAT(model.shards[0].bytes->ReadAt(all.size(), {&byte, 1}),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::_));
  EXPECT_THAT(model.shards[0].bytes->ReadAt(UINT64_MAX, {&byte, 1}),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::_));
}

TEST(MadeUpSource, DependsOnTheSeedAndOnTheTensor) {
  const std::vector<SafetensorsTensor> tensors = ListMoeTensors(kSmall);
  const std::string one = BytesOf(MakeUpSource(tensors, 1));
  EXPECT_EQ(one, BytesOf(MakeUpSource(tensors, 1)));
  EXPECT_NE(one, BytesOf(MakeUpSource(tensors, 2)));
  const uint64_t data = one.size() - tensors.back().end;
  std::vector<std::string> gates;
  for (const SafetensorsTensor& tensor : tensors) {
    if (!tensor.name.ends_with("gate_proj.weight")) continue;
    gates.push_back(one.substr(data + tensor.begin, tensor.size_bytes()));
  }
  ASSERT_EQ(gates.size(), 2 * (3 + 1u));
  for (size_t i = 1; i < gates.size(); ++i) EXPECT_NE(gates[i], gates[0]);
}

TEST(MadeUpSource, WeightsHaveTheEntropyOfTrainedOnes) {
  const std::vector<SafetensorsTensor> tensors = ListMoeTensors(kSmall);
  const SourceModel model = MakeUpSource(tensors, 3);
  ByteCounts counts{};
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.dtype != DType::kF8E4M3) continue;
    std::vector<uint8_t> weights(tensor.size_bytes());
    ASSERT_THAT(model.shards[0].bytes->ReadAt(model.shards[0].header.data_offset() + tensor.begin,
                                              absl::MakeSpan(weights)),
                IsOk());
    CountBytes(weights, counts);
  }
  const double bits = EntropyBits(absl::MakeConstSpan(counts));
  EXPECT_GT(bits, 6.4);
  EXPECT_LT(bits, 6.8);
}

}  // namespace
}  // namespace ecf8
