// compress, decompress, verify and inspect as a user starts them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RunResult;
using testing::Subprocess;
using testing::TempDir;
using Json = nlohmann::json;

const std::string kCli = ECF8_BINARY_DIR "/bin/ecf8";

class ModelCommandsTest : public ::testing::Test {
 protected:
  ModelCommandsTest() { testing::WriteTinyModel(plain_); }

  static RunResult RunEcf8(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kCli);
    return testing::RunProgram(arguments);
  }

  // The document that a command that must succeed prints.
  static Json RunJson(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const RunResult result = RunEcf8(std::move(arguments));
    EXPECT_EQ(result.exit_status, 0) << result.err;
    return Json::parse(result.out, nullptr, false);
  }

  void Compress() { ASSERT_EQ(RunEcf8({"compress", plain_, packed_}).exit_status, 0); }

  TempDir dir_;
  const std::string plain_ = dir_ / "plain";
  const std::string packed_ = dir_ / "packed";
};

TEST_F(ModelCommandsTest, ThereAndBack) {
  const RunResult compressed = RunEcf8({"compress", plain_, packed_, "--threads", "2"});
  EXPECT_EQ(compressed.exit_status, 0);
  EXPECT_THAT(compressed.out, HasSubstr("bits an FP8 weight"));
  EXPECT_THAT(compressed.err, HasSubstr("100%"));
  const RunResult verified = RunEcf8({"verify", packed_, "--against", plain_});
  EXPECT_EQ(verified.exit_status, 0);
  EXPECT_THAT(verified.out, HasSubstr("OK: 3 units, 8 tensors"));
  EXPECT_EQ(RunEcf8({"decompress", packed_, dir_ / "restored"}).exit_status, 0);
  testing::ExpectSameFiles(dir_ / "restored", plain_);
}

TEST_F(ModelCommandsTest, JsonOfCompressAndInspectAgree) {
  Json compressed = RunJson({"compress", plain_, packed_});
  const Json inspected = RunJson({"inspect", packed_});
  EXPECT_GT(compressed["seconds"], 0);
  EXPECT_GT(compressed["gbps"], 0);
  compressed.erase("seconds");
  compressed.erase("gbps");
  EXPECT_EQ(compressed, inspected);
  for (const char* key : {"format_version", "digest", "raw_bytes", "stored_bytes", "ratio",
                          "fp8_weights", "coded_weights", "bits_per_fp8_weight", "manifest_bytes",
                          "padding_bytes", "tables_bytes", "header_bytes", "originals_bytes"}) {
    EXPECT_TRUE(inspected.contains(key)) << key;
  }
  uint64_t stored = 0;
  for (const auto& [path, bytes] : testing::ReadTree(packed_)) stored += bytes.size();
  EXPECT_EQ(inspected["stored_bytes"], stored);
}

TEST_F(ModelCommandsTest, InspectListsUnitsAndTensors) {
  Compress();
  const Json document = RunJson({"inspect", packed_, "--units", "--tensors"});
  ASSERT_EQ(document["unit_list"].size(), 3u);
  EXPECT_EQ(document["unit_list"][2]["id"], "layers.1");
  ASSERT_EQ(document["tensor_list"].size(), 8u);
  EXPECT_EQ(document["tensor_list"][0]["name"], "model.embed_tokens.weight");
  const RunResult text = RunEcf8({"inspect", packed_, "--units", "--tensors"});
  EXPECT_THAT(text.out, HasSubstr("layers.1"));
  EXPECT_THAT(text.out, HasSubstr("model.layers.1.q_proj.weight"));
  EXPECT_THAT(text.err, IsEmpty());
}

TEST_F(ModelCommandsTest, VerifyReportsDamageOnStdoutAndFails) {
  Compress();
  std::fstream file(packed_ + "/tokenizer/tokenizer.json",
                    std::ios::binary | std::ios::in | std::ios::out);
  file.put('!');
  file.close();
  const RunResult text = RunEcf8({"verify", packed_});
  EXPECT_EQ(text.exit_status, 1);
  EXPECT_THAT(text.out, HasSubstr("tokenizer/tokenizer.json"));
  EXPECT_THAT(text.out, HasSubstr("DAMAGED"));
  const RunResult json = RunEcf8({"verify", packed_, "--json"});
  EXPECT_EQ(json.exit_status, 1);
  const Json document = Json::parse(json.out, nullptr, false);
  EXPECT_EQ(document["ok"], false);
  EXPECT_EQ(document["problem_count"], 1);
}

TEST_F(ModelCommandsTest, ErrorsNameTheFileAndLeaveNothing) {
  const RunResult missing = RunEcf8({"compress", dir_ / "nowhere", packed_});
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_THAT(missing.out, IsEmpty());
  EXPECT_THAT(missing.err, HasSubstr("nowhere"));
  EXPECT_FALSE(std::filesystem::exists(packed_));
  Compress();
  const RunResult existing = RunEcf8({"compress", plain_, packed_});
  EXPECT_EQ(existing.exit_status, 1);
  EXPECT_THAT(existing.err, HasSubstr("packed"));
  EXPECT_EQ(RunEcf8({"compress", plain_, packed_, "--force"}).exit_status, 0);
  EXPECT_EQ(RunEcf8({"verify", plain_}).exit_status, 1);
  EXPECT_EQ(RunEcf8({"inspect", plain_}).exit_status, 1);
}

// With a config.json that could be planned by, were the weights not there.
TEST_F(ModelCommandsTest, PlanTakesNoDamagedModelForAPlainOne) {
  testing::WriteFile(plain_ + "/config.json", R"({"model_type": "llama", "hidden_size": 64,
      "num_hidden_layers": 2, "vocab_size": 50, "num_attention_heads": 4,
      "intermediate_size": 128})");
  Compress();
  EXPECT_EQ(RunEcf8({"plan", plain_}).exit_status, 0);
  EXPECT_EQ(RunEcf8({"plan", packed_}).exit_status, 0);
  const std::string shard = packed_ + "/model-00001-of-00001.safetensors";
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 1);
  const RunResult damaged = RunEcf8({"plan", packed_});
  EXPECT_EQ(damaged.exit_status, 1);
  EXPECT_THAT(damaged.err, HasSubstr("manifest"));
}

TEST_F(ModelCommandsTest, WrongUsageIsTwo) {
  EXPECT_EQ(RunEcf8({"compress", plain_}).exit_status, 2);
  EXPECT_EQ(RunEcf8({"verify"}).exit_status, 2);
  EXPECT_EQ(RunEcf8({"compress", plain_, packed_, "--threads", "x"}).exit_status, 2);
}

TEST_F(ModelCommandsTest, InterruptLeavesNothing) {
  // 2 GB of zeros that take no room on the disk, and longer than this test waits.
  constexpr uint64_t kSize = 2'000'000'000;
  const std::string bytes = std::to_string(kSize);
  std::string json = "{\"layers.0.w\":{\"dtype\":\"F8_E4M3\",\"shape\":[" + bytes +
                     "],\"data_offsets\":[0," + bytes + "]}}";
  std::string head(8, '\0');
  head[0] = static_cast<char>(json.size());
  testing::WriteFile(dir_ / "big/model.safetensors", head + json);
  std::filesystem::resize_file(dir_ / "big/model.safetensors", 8 + json.size() + kSize);
  Subprocess compress({kCli, "compress", dir_ / "big", dir_ / "big.packed"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto staging_exists = [this] {
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      if (entry.path().filename().string().find("big.packed") != std::string::npos) return true;
    }
    return false;
  };
  while (!staging_exists() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(staging_exists());
  compress.Signal(SIGINT);
  EXPECT_EQ(compress.Wait(), 1);
  EXPECT_FALSE(staging_exists());
  EXPECT_THAT(compress.Stderr(), HasSubstr("cancelled"));
}

}  // namespace
}  // namespace ecf8
