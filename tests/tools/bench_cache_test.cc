#include "tools/ecf8/bench_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "loader/cache/trace.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;

const std::atomic<bool> kNotCancelled = false;

nlohmann::json Report(const BenchCacheOptions& options) {
  ::testing::internal::CaptureStdout();
  const absl::Status status = RunBenchCache(options, {true, &kNotCancelled});
  const std::string text = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(status, IsOk());
  return nlohmann::json::parse(text, nullptr, false);
}

TEST(BenchCache, ReplaysATraceFileAtEveryBudget) {
  const testing::TempDir directory;
  BenchCacheOptions options;
  options.trace = directory / "walk.trace";
  options.budget_bytes = {20, 30};
  auto writer = TraceWriter::Create(options.trace, {{1,
                                                     {{"layers.0", 10, 12, 0, false},
                                                      {"layers.1", 10, 12, 1, false},
                                                      {"layers.2", 10, 12, 2, false}}}});
  ASSERT_THAT(writer, IsOk());
  for (uint32_t i = 0; i < 30; ++i) {
    ASSERT_THAT(writer->Append({i, i % 3, 0, Access::kDemand}), IsOk());
  }
  ASSERT_THAT(writer->Flush(), IsOk());
  const nlohmann::json report = Report(options);
  ASSERT_EQ(report["rows"].size(), 2u);
  const nlohmann::json& tight = report["rows"][0];
  EXPECT_EQ(tight["trace"], "walk.trace");
  EXPECT_EQ(tight["budget_bytes"], 20);
  EXPECT_DOUBLE_EQ(tight["ours"], 18.0 / 30);  // two of three, from the second pass on
  EXPECT_DOUBLE_EQ(tight["belady"], 18.0 / 30);
  EXPECT_DOUBLE_EQ(tight["lru"], 0);
  EXPECT_DOUBLE_EQ(report["rows"][1]["lru"], 27.0 / 30);
}

TEST(BenchCache, WithoutAFileReplaysGeneratedTraces) {
  BenchCacheOptions options;
  options.layers = 1;
  options.tokens = 20;
  const nlohmann::json report = Report(options);
  EXPECT_GT(report["rows"].size(), 61u);
  for (const char* key : {"cyclic_vs_belady_min", "steady_vs_static_oracle_min",
                          "drift_vs_static_oracle_min", "locality_vs_lru_min", "mean"}) {
    EXPECT_TRUE(report.contains(key)) << key;
  }
}

TEST(BenchCache, AMissingOrCancelledRunIsAnError) {
  BenchCacheOptions options;
  options.trace = "/nonexistent";
  EXPECT_THAT(RunBenchCache(options, {true, &kNotCancelled}),
              StatusIs(absl::StatusCode::kNotFound, ::testing::_));
  options.trace.clear();
  const std::atomic<bool> cancelled = true;
  EXPECT_THAT(RunBenchCache(options, {true, &cancelled}),
              StatusIs(absl::StatusCode::kCancelled, ::testing::_));
}

}  // namespace
}  // namespace ecf8
