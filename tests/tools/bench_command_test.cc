// `ecf8 bench codec`, `stream`, `moe-model` and `experts` as a user starts them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/sanitizer.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::RunResult;
using testing::TempDir;
using Json = nlohmann::json;

const std::string kCli = ECF8_BINARY_DIR "/bin/ecf8";

Json RunJson(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kCli);
  arguments.push_back("--json");
  const RunResult result = testing::RunProgram(arguments);
  EXPECT_EQ(result.exit_status, 0) << result.err;
  return Json::parse(result.out, nullptr, false);
}

// Tensors of every size and type, in units with and without tables.
TEST(BenchCommandTest, CountsWhatCompressWrites) {
  const TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  const Json bench = RunJson({"bench", "codec", dir / "plain", "--runs", "1"});
  const Json compressed = RunJson({"compress", dir / "plain", dir / "packed"});
  EXPECT_EQ(bench["fp8_weights"], compressed["fp8_weights"]);
  EXPECT_DOUBLE_EQ(bench["bits_per_weight"], compressed["bits_per_fp8_weight"]);
  double sum = 0;
  for (const char* part : {"chunk", "tables", "padding", "manifest"}) {
    const double bits = bench[std::string(part) + "_bits_per_weight"];
    EXPECT_GT(bits, 0) << part;
    sum += bits;
  }
  EXPECT_NEAR(sum, bench["bits_per_weight"], 1e-9);
}

TEST(BenchCommandTest, EveryFigureHasAVariantForAllCoresAndASpread) {
  const Json bench = RunJson({"bench", "codec", "--synthetic", "300kB", "--runs", "2"});
  EXPECT_EQ(bench["fp8_weights"], 147 * 2048);
  for (const std::string key :
       {"decode_gbps", "zstd1_decode_gbps", "decode_vs_zstd1", "encode_gbps", "zstd1_encode_gbps",
        "encode_vs_zstd1", "memcpy_gbps"}) {
    for (const std::string& name : {key, key + "_all_cores"}) {
      ASSERT_TRUE(bench.contains(name)) << name;
      EXPECT_GT(bench[name], 0) << name;
      EXPECT_LE(bench["spread"][name][0], bench[name]) << name;
      EXPECT_GE(bench["spread"][name][1], bench[name]) << name;
    }
  }
  EXPECT_LT(bench["bits_per_weight"], 7);
  EXPECT_LT(bench["zstd1_bits_per_weight"], 7);
  EXPECT_LT(bench["limit_bits_per_weight"], 7);
}

TEST(BenchCommandTest, TextNamesWhatItMeasured) {
  const RunResult result = testing::RunProgram(
      {kCli, "bench", "codec", "--synthetic", "70kB", "--runs", "1", "--threads", "3"});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  for (const char* part : {"BITS A WEIGHT", "zstd -3", "memcpy", "3 threads", "manifest"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
}

TEST(BenchCommandTest, WantsAModelOrASize) {
  EXPECT_EQ(testing::RunProgram({kCli, "bench", "codec"}).exit_status, 2);
  EXPECT_EQ(testing::RunProgram({kCli, "bench", "codec", "x", "--synthetic", "1MB"}).exit_status,
            2);
  EXPECT_EQ(testing::RunProgram({kCli, "bench", "codec", "--synthetic", "9GB"}).exit_status, 2);
  EXPECT_EQ(testing::RunProgram({kCli, "bench", "codec", "/nowhere"}).exit_status, 1);
}

// On a disk and in memory; fio is left out, as a machine may have none.
TEST(BenchCommandTest, StreamsFromDiskAndFromMemory) {
  const TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  RunJson({"compress", dir / "plain", dir / "packed"});
  const Json bench =
      RunJson({"bench", "stream", dir / "packed", "--runs", "2", "--no-fio", "--warm", "3",
               "--host-budget", "16MiB", "--slot-budget", "32MiB", "--trace", dir / "line.json"});
  EXPECT_GT(Json::parse(testing::ReadFile(dir / "line.json"), nullptr, false).size(), 100u);
  for (const char* key :
       {"stream_gbps", "warm_gbps", "stream_gbps_tmpfs", "stream_vs_model_tmpfs"}) {
    EXPECT_GT(bench[key], 0) << key;
    EXPECT_LE(bench[std::string(key) + "_range"][0], bench[key]) << key;
  }
  EXPECT_FALSE(bench.contains("stream_vs_fio"));
  EXPECT_EQ(bench["runs"], 2);
}

// As large as tests bear, but larger than its memory. On a machine that sleeps at the wrong moment
// a unit or two may be in use longer than the simulator thinks: 5 points instead of 2.
TEST(BenchCommandTest, ExpertsOfAModelLargerThanMemory) {
  const TempDir dir;
  const Json made = RunJson({"bench", "moe-model", dir / "moe", "--layers", "3", "--experts", "16",
                             "--hidden", "1024", "--expert-width", "384"});
  EXPECT_EQ(made["units"], 3 * 17 + 3);
  EXPECT_EQ(testing::RunProgram({kCli, "verify", dir / "moe"}).exit_status, 0);

  const std::vector<std::string> bench = {
      "bench", "experts",       dir / "moe", "--tokens",      "40",   "--experts", "4", "--drift",
      "10",    "--host-budget", "40MiB",     "--slot-budget", "40MiB"};
  const Json report = RunJson(bench);
  EXPECT_GT(made["stored_bytes"], 60 << 20);
  EXPECT_EQ(report["used_units"], 40 * (3 * 5 + 3));
  EXPECT_GT(report["read_bytes"], made["stored_bytes"]);
  for (const char* tier : {"slots", "host", "memory"}) {
    EXPECT_NEAR(report["hit_rate"][tier], report["simulated_hit_rate"][tier], 0.05) << tier;
  }
  EXPECT_GT(report["hit_rate"]["memory"], 0.1);
  EXPECT_GT(report["resident_peak_bytes"], 0);
  if (!testing::kAddressSanitizer) {  // which keeps what is freed
    EXPECT_LT(report["resident_peak_bytes"], report["resident_limit_bytes"]);
    EXPECT_LT(report["resident_growth_bytes"], 8 << 20);
  }
}

TEST(BenchCommandTest, AnEngineThatComesBackCausesNoReadsAndNoDecoding) {
  const TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  RunJson({"compress", dir / "plain", dir / "packed"});
  const Json bench = RunJson({"bench", "resident", dir / "packed", "--attaches", "2",
                              "--host-budget", "64MiB", "--against", dir / "plain"});
  EXPECT_EQ(bench["attaches"], 2);
  EXPECT_EQ(bench["read_bytes_again"], 0);
  EXPECT_EQ(bench["decoded_bytes_again"], 0);
  EXPECT_GT(bench["compared_bytes"], 0);
  EXPECT_GT(bench["attach_p50_ms"], 0);
  EXPECT_LE(bench["attach_p50_ms"], bench["attach_max_ms"]);
  const RunResult text = testing::RunProgram(
      {kCli, "bench", "resident", dir / "packed", "--attaches", "1", "--host-budget", "64MiB"});
  EXPECT_EQ(text.exit_status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("attach again"));
}

TEST(BenchCommandTest, ExpertsWantsAModelThatHasThem) {
  const TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  RunJson({"compress", dir / "plain", dir / "packed"});
  const RunResult dense = testing::RunProgram({kCli, "bench", "experts", dir / "packed"});
  EXPECT_EQ(dense.exit_status, 1);
  EXPECT_THAT(dense.err, HasSubstr("has no experts"));
  EXPECT_EQ(
      testing::RunProgram({kCli, "bench", "moe-model", dir / "x", "--hidden", "130"}).exit_status,
      2);
}

// A dense model and one with experts; that plan and engine agree is nothing that a test may ask of
// a machine that others use.
TEST(BenchCommandTest, PlanBesideTheEngine) {
  const TempDir dir;
  RunJson({"bench", "moe-model", dir / "moe", "--layers", "2", "--experts", "8", "--hidden", "512",
           "--expert-width", "512", "--experts-per-token", "2"});
  const Json report =
      RunJson({"bench", "plan", dir / "moe", "--runs", "1", "--tokens", "2", "--warm", "2",
               "--host", "80", "--slots", "80", "--host", "150", "--slots", "80"});
  ASSERT_EQ(report["memories"].size(), 2u);
  for (const Json& memory : report["memories"]) {
    EXPECT_GT(memory["planned_tokens_per_second"], 0);
    EXPECT_GT(memory["tokens_per_second"], 0);
    EXPECT_LE(memory["planned_vs_real_range"][0], memory["planned_vs_real"]);
  }
  EXPECT_EQ(report["memories"][1]["planned_disk_bytes"], 0);
  EXPECT_EQ(testing::RunProgram({kCli, "bench", "plan", dir / "moe", "--host", "50"}).exit_status,
            2);
}

// One dense layer, one with experts and one for multi-token prediction, with DeepSeek-V3's
// attention; more memory than any machine of ours has.
TEST(BenchCommandTest, ScaleOfAModelWithoutItsBytes) {
  if (testing::kAddressSanitizer) GTEST_SKIP() << "no room beside a sanitizer's memory";
  const TempDir dir;
  const std::vector<std::string> bench = {
      "bench",  "scale",          dir / "scale", "--layers",
      "4",      "--experts",      "8",           "--hidden",
      "256",    "--expert-width", "128",         "--vocabulary",
      "100",    "--tokens",       "3",           "--warm",
      "2",      "--checked",      "1",           "--checked-budget",
      "192MiB", "--speed",        "1000"};
  const Json report = RunJson(bench);
  EXPECT_EQ(report["experts"], 16);
  EXPECT_GT(report["tokens_per_second"], 0);
  EXPECT_GT(report["daemon_cpu_ms_per_token"], 0);
  EXPECT_GT(report["start_resident_bytes"], 0);
  EXPECT_LT(report["resident_bytes"], 300'000'000);
  EXPECT_GT(report["checked_bytes"], 3 * 256 * 18'432);  // a dense layer, at least
}

}  // namespace
}  // namespace ecf8
