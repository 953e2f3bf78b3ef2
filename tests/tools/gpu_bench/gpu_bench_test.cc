// The measurements themselves, over the fake of CUDA, whose times mean nothing: what they launch is
// right, what does not fit is left out, and errors are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "loader/model/compressed_model.h"
#include "tests/support/fake_cuda/fake_cuda.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tools/gpu_bench/bench_gpu.h"
#include "tools/gpu_bench/bench_weights.h"
#include "tools/gpu_bench/decode_bench.h"
#include "tools/gpu_bench/decode_sets.h"
#include "tools/gpu_bench/host_copy_bench.h"
#include "tools/gpu_bench/pipeline_bench.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::FakeCudaOptions;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

constexpr uint64_t kMi = uint64_t{1} << 20;

TEST(GpuBenchTest, DecodesEverySizeRight) {
  FakeCuda cuda;
  const auto gpu = BenchGpu::Open(cuda, 0);
  ASSERT_THAT(gpu, IsOk());
  const BenchWeights weights = SyntheticBenchWeights(3);
  const auto report =
      RunDecodeBench(**gpu, weights, {.max_weights = 5 * kMi, .runs = 2, .cold_bytes = 2 * kMi});
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ((*report)["sizes"].size(), 2);  // 1 and 4 Mi
  EXPECT_LT((*report)["bits_per_weight"], 7);
  for (const Json& row : (*report)["sizes"]) {
    EXPECT_EQ(row["launches_a_run"], row["weights"] == kMi ? 2 : 1);
    EXPECT_LT(row["stored_bytes"], row["weights"]);
    EXPECT_GT(row["decode_tweights_per_s"]["median"], 0);
    EXPECT_EQ(row["decode_beside_copy"], 1);
    EXPECT_FALSE(row.contains("two_pass_tweights_per_s"));
  }
  // A run that warms up, two that count: of two launches, then of one.
  EXPECT_EQ(cuda.calls("LaunchTileDecode"), 3 * 2 + 3);
}

// A peer that writes nothing.
TEST(GpuBenchTest, WrongWeightsAreAnError) {
  FakeCuda cuda;
  const auto gpu = BenchGpu::Open(cuda, 0);
  ASSERT_THAT(gpu, IsOk());
  const BenchWeights weights = SyntheticBenchWeights(1);
  DecodeBenchOptions options{.max_weights = kMi, .runs = 1, .cold_bytes = kMi};
  options.two_pass = [](const TwoPassWork& /*work*/, void* /*stream*/) { return kCudaSuccess; };
  EXPECT_THAT(RunDecodeBench(**gpu, weights, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("to other weights")));
  options.two_pass = [](const TwoPassWork& /*work*/, void* /*stream*/) {
    return kCudaInvalidValue;
  };
  EXPECT_THAT(RunDecodeBench(**gpu, weights, options),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("of the peer on cuda:0")));
}

TEST(GpuBenchTest, LeavesOutWhatDoesNotFit) {
  FakeCuda cuda(FakeCudaOptions{.memory_bytes = 6 * kMi});
  const auto gpu = BenchGpu::Open(cuda, 0);
  ASSERT_THAT(gpu, IsOk());
  const auto report = RunDecodeBench(**gpu, SyntheticBenchWeights(1),
                                     {.max_weights = 64 * kMi, .runs = 1, .cold_bytes = kMi});
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ((*report)["sizes"].size(), 2);
  EXPECT_THAT((*report)["sizes"][1].value("left_out", ""), HasSubstr("cudaMalloc on cuda:0"));
}

// What the peer is given: every copy's parts follow one another.
TEST(GpuBenchTest, ThePeerGetsAsManyWeights) {
  FakeCuda cuda;
  const auto gpu = BenchGpu::Open(cuda, 0);
  ASSERT_THAT(gpu, IsOk());
  const BenchWeights weights = SyntheticBenchWeights(2);
  const auto set = TwoPassSet::Create(**gpu, weights, {.chunks = 4, .copies = 2});
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ((*set)->decoded_bytes(), 4 * kMi);
  const TwoPassWork& first = (*set)->work(0);
  const TwoPassWork& second = (*set)->work(1);
  EXPECT_EQ(second.words_dev - first.words_dev, first.block_count * ptrdiff_t{kTwoPassBlockBytes});
  EXPECT_EQ(second.raw_dev - first.raw_dev, ptrdiff_t{2 * kMi});
  EXPECT_EQ(second.out_dev - first.out_dev, ptrdiff_t{4 * kMi});
}

TEST(GpuBenchTest, TakesAModelsWeights) {
  const testing::TempDir dir;
  testing::MakeCompressedModel(dir.path(), "small", {.layers = 2, .projection_rows = 1000});
  const auto model = testing::OpenModel(dir / "small");
  const auto weights = ModelBenchWeights(*model, 4);
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->source, "small");
  EXPECT_EQ(weights->weights.size(), kMi);  // of two projections of 1,024,000
  EXPECT_THAT(ModelBenchWeights(*testing::OpenModel(dir / "small"), 0),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("small has no")));
}

TEST(GpuBenchTest, CopiesBothWays) {
  FakeCuda cuda;
  const auto gpu = BenchGpu::Open(cuda, 0);
  ASSERT_THAT(gpu, IsOk());
  const auto report = RunHostCopyBench(**gpu, {.max_bytes = 4 * kMi, .runs = 2});
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ((*report)["sizes"].size(), 2);
  EXPECT_GT((*report)["sizes"][1]["to_host_gbps"]["median"], 0);
  cuda.FailCall("EventElapsedTime", 1, kCudaInvalidValue);
  EXPECT_THAT(RunHostCopyBench(**gpu, {.max_bytes = kMi, .runs = 1}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("cudaEventElapsedTime on cuda:0")));
}

TEST(GpuBenchTest, StreamsAModelFromTheDisk) {
  FakeCuda cuda;
  const testing::TempDir dir;
  PipelineBenchOptions options{.directory = dir.path(), .runs = 2};
  options.shape = {.layers = 1, .experts = 2, .hidden = 256, .expert_width = 128, .vocabulary = 64};
  options.engine.device = "cuda:0";
  options.engine.cuda = &cuda;
  options.engine.host_budget_bytes = uint64_t{192} << 20;
  options.engine.slot_budget_bytes = uint64_t{64} << 20;
  const auto report = RunPipelineBench(options);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ((*report)["device"], "cuda:0");
  EXPECT_LT((*report)["stored_bytes"], (*report)["decoded_bytes"]);
  EXPECT_GT((*report)["decoded_gbps"]["median"], 0);
}

}  // namespace
}  // namespace ecf8
