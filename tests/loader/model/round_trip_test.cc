// compress, verify, decompress: every model comes back byte for byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using testing::ExpectSameFiles;
using testing::FakeE4M3;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::NoiseBytes;
using testing::PlainFile;
using testing::ReadFile;
using testing::ReadTree;
using testing::TempDir;
using testing::WriteFile;

// Compresses, verifies with every byte, decompresses and compares.
void ExpectRoundTrip(const std::string& source, const TempDir& dir, const JobOptions& options,
                     const std::string& original) {
  const auto summary = CompressModel(source, dir / "packed", options);
  ASSERT_THAT(summary, IsOk());
  const auto report = VerifyModel(dir / "packed", source, options);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->problems, IsEmpty());
  EXPECT_THAT(report->notes, IsEmpty());
  const auto restored = DecompressModel(dir / "packed", dir / "restored", options);
  ASSERT_THAT(restored, IsOk());
  ExpectSameFiles(dir / "restored", original);
  EXPECT_EQ(summary->raw_bytes, restored->raw_bytes);
  EXPECT_EQ(summary->stored_bytes, restored->stored_bytes);
  uint64_t stored = 0;
  for (const auto& [path, bytes] : ReadTree(dir / "packed")) stored += bytes.size();
  EXPECT_EQ(summary->stored_bytes, stored);
}

TEST(RoundTripTest, AwkwardTensors) {
  TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  ExpectRoundTrip(dir / "plain", dir, {}, dir / "plain");
}

TEST(RoundTripTest, ManyOutputShards) {
  TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  JobOptions options;
  options.shard_size_bytes = 1 << 20;
  ExpectRoundTrip(dir / "plain", dir, options, dir / "plain");
  const auto model = CompressedModel::Open(dir / "packed");
  ASSERT_THAT(model, IsOk());
  EXPECT_GT((*model)->shards().size(), 2u);
  EXPECT_EQ((*model)->shards()[0].file_name,
            "model-00001-of-0000" + std::to_string((*model)->shards().size()) + ".safetensors");
}

TEST(RoundTripTest, SingleFileKeepsItsName) {
  TempDir dir;
  WriteFile(dir / "a/weights.safetensors",
            PlainFile().Add("layer.weight", "F8_E4M3", {300, 300}, FakeE4M3(90'000, 1)).Bytes());
  WriteFile(dir / "b/unrelated.txt", "not part of it");
  std::filesystem::copy(dir / "a/weights.safetensors", dir / "b/weights.safetensors");
  ExpectRoundTrip(dir / "b/weights.safetensors", dir, {}, dir / "a");
  EXPECT_TRUE(std::filesystem::exists(dir / "packed/weights.safetensors"));
}

TEST(RoundTripTest, ShardsWithoutAnIndexGetOneThatIsNotRestored) {
  TempDir dir;
  WriteFile(dir / "plain/x.safetensors",
            PlainFile().Add("layers.0.w", "F8_E4M3", {50'000}, FakeE4M3(50'000, 1)).Bytes());
  WriteFile(dir / "plain/y.safetensors",
            PlainFile().Add("layers.1.w", "F8_E4M3", {50'000}, FakeE4M3(50'000, 2)).Bytes());
  JobOptions options;
  options.shard_size_bytes = 1000;
  ExpectRoundTrip(dir / "plain", dir, options, dir / "plain");
  EXPECT_TRUE(std::filesystem::exists(dir / "packed/model.safetensors.index.json"));
}

TEST(RoundTripTest, ModelWithoutTensors) {
  TempDir dir;
  WriteFile(dir / "plain/model.safetensors", PlainFile().Bytes());
  WriteFile(dir / "plain/config.json", "{}");
  ExpectRoundTrip(dir / "plain", dir, {}, dir / "plain");
}

TEST(RoundTripTest, ConfigThatIsNoJsonStaysAsItIs) {
  TempDir dir;
  WriteFile(dir / "plain/model.safetensors", PlainFile().Add("w", "U8", {1}, "x").Bytes());
  WriteFile(dir / "plain/config.json", "{\"limit\": Infinity}");
  ExpectRoundTrip(dir / "plain", dir, {}, dir / "plain");
  EXPECT_EQ(ReadFile(dir / "packed/config.json"), "{\"limit\": Infinity}");
}

TEST(RoundTripTest, FusedExpertsLieInRunsOfUnits) {
  TempDir dir;
  PlainFile file;
  constexpr uint64_t kExperts = 5;
  file.Add("model.layers.0.mlp.experts.gate_up_proj", "F8_E4M3", {kExperts, 513, 401},
           FakeE4M3(kExperts * 513 * 401, 1));
  file.Add("model.layers.0.mlp.experts.gate_up_proj_scale_inv", "F32", {kExperts, 3, 1},
           NoiseBytes(kExperts * 12, 2));
  file.Add("model.layers.0.mlp.experts.down_proj", "F8_E4M3", {kExperts, 257, 300},
           FakeE4M3(kExperts * 257 * 300, 3));
  file.Add("model.layers.0.norm", "BF16", {9}, NoiseBytes(18, 4));
  WriteFile(dir / "plain/model.safetensors", file.Bytes());
  ExpectRoundTrip(dir / "plain", dir, {}, dir / "plain");
  const auto model = CompressedModel::Open(dir / "packed");
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ((*model)->FindTensor("model.layers.0.mlp.experts.down_proj").size(), kExperts);
  EXPECT_TRUE((*model)->FindUnit("layers.0.experts.4").has_value());
}

// Sparse files, so that the source costs nothing.
TEST(RoundTripTest, TensorsLargerThanAUnitAreCut) {
  TempDir dir;
  constexpr uint64_t kRaw = (256u << 20) + 3 * 4096 + 2;
  constexpr uint64_t kCoded = (256u << 20) + 513;
  const std::string json =
      "{\"model.embed_tokens.weight\":{\"dtype\":\"BF16\",\"shape\":[" + std::to_string(kRaw / 2) +
      "],\"data_offsets\":[0," + std::to_string(kRaw) +
      "]},\"lm_head.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[" + std::to_string(kCoded) +
      "],\"data_offsets\":[" + std::to_string(kRaw) + "," + std::to_string(kRaw + kCoded) + "]}}";
  std::string head = PlainFile().Bytes().substr(0, 8);
  head[0] = static_cast<char>(json.size());
  head[1] = static_cast<char>(json.size() >> 8);
  WriteFile(dir / "plain/model.safetensors", head + json);
  std::filesystem::resize_file(dir / "plain/model.safetensors", 8 + json.size() + kRaw + kCoded);
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  const auto report = VerifyModel(dir / "packed", "", {});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->problems, IsEmpty());
  const auto model = CompressedModel::Open(dir / "packed");
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ((*model)->FindTensor("lm_head.weight").size(), 2u);
  // Nothing lies between the parts of the raw tensor, so stock tools see it as it is.
  const auto& entries = (*model)->shards()[0].header.tensors;
  EXPECT_EQ(entries[0].name, "model.embed_tokens.weight");
  EXPECT_EQ(entries[0].dtype, DType::kBF16);
  EXPECT_THAT(entries[0].shape, ElementsAre(kRaw / 2));
}

TEST(RoundTripTest, TheNumberOfThreadsDoesNotMatter) {
  TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  for (const int threads : {1, 2, 7}) {
    JobOptions options;
    options.threads = threads;
    options.shard_size_bytes = 3'000'000;
    ASSERT_THAT(CompressModel(dir / "plain", dir / std::to_string(threads), options), IsOk());
  }
  ExpectSameFiles(dir / "2", dir / "1");
  ExpectSameFiles(dir / "7", dir / "1");
}

TEST(RoundTripTest, ReplacesAnOldDestinationWhenAsked) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  WriteFile(dir / "packed/old.txt", "old");
  EXPECT_EQ(CompressModel(dir / "plain", dir / "packed", {}).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(dir / "packed/old.txt"));
  JobOptions options;
  options.replace = true;
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", options), IsOk());
  EXPECT_FALSE(std::filesystem::exists(dir / "packed/old.txt"));
}

TEST(RoundTripTest, ModesOfFilesAreKept) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  ASSERT_EQ(::chmod((dir / "plain/config.json").c_str(), 0600), 0);
  ASSERT_EQ(::chmod((dir / "plain/tokenizer/tokenizer.json").c_str(), 0755), 0);
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  ASSERT_THAT(DecompressModel(dir / "packed", dir / "restored", {}), IsOk());
  for (const char* name : {"packed", "restored"}) {
    struct stat state = {};
    ASSERT_EQ(::stat((dir / name + "/config.json").c_str(), &state), 0);
    EXPECT_EQ(state.st_mode & 0777, 0600u);
    ASSERT_EQ(::stat((dir / name + "/tokenizer/tokenizer.json").c_str(), &state), 0);
    EXPECT_EQ(state.st_mode & 0777, 0755u);
  }
}

TEST(RoundTripTest, ProgressEndsAtTheTotal) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  Progress last;
  JobOptions options;
  options.progress = [&last](const Progress& progress) {
    EXPECT_GE(progress.done_bytes, last.done_bytes);
    last = progress;
  };
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", options), IsOk());
  EXPECT_EQ(last.done_bytes, last.total_bytes);
  EXPECT_GT(last.total_bytes, 0u);
}

}  // namespace
}  // namespace ecf8
