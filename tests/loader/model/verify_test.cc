// Any flipped bit, missing file or swapped file of a compressed directory is reported.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::ReadFile;
using testing::ReadTree;
using testing::TempDir;
using testing::WriteFile;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::WriteTinyModel(dir_ / "plain");
    JobOptions options;
    options.shard_size_bytes = 15'000;
    ASSERT_THAT(CompressModel(dir_ / "plain", packed_, options), IsOk());
  }

  VerifyReport Verify(const std::string& against = "") {
    JobOptions options;
    options.threads = 1;
    const auto report = VerifyModel(packed_, against, options);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *report : VerifyReport{};
  }

  // Flips one bit of a file and returns the file as it was.
  std::string Flip(const std::string& file, uint64_t bit) {
    const std::string before = ReadFile(packed_ + "/" + file);
    std::string after = before;
    after[bit / 8] = static_cast<char>(after[bit / 8] ^ 1 << bit % 8);
    WriteFile(packed_ + "/" + file, after);
    return before;
  }

  TempDir dir_;
  const std::string packed_ = dir_ / "packed";
};

TEST_F(VerifyTest, AWholeModelHasNoProblems) {
  const VerifyReport report = Verify(dir_ / "plain");
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(report.tensor_count, 8u);
  EXPECT_EQ(report.unit_count, 3u);
}

// 500 bits, in every file as many as the others; and in the shards, as many in the sparse parts as
// in the large ones.
TEST_F(VerifyTest, EveryFlippedBitIsReported) {
  const std::map<std::string, std::string> files = ReadTree(packed_);
  ASSERT_GE(files.size(), 5u);
  std::mt19937 random(1);
  size_t flips = 0;
  for (const auto& [file, bytes] : files) {
    const size_t share = 500 / files.size() + 1;
    for (size_t i = 0; i < share; ++i, ++flips) {
      const uint64_t bit = random() % (bytes.size() * 8);
      const std::string before = Flip(file, bit);
      EXPECT_GT(Verify().problem_count, 0u) << file << ", bit " << bit;
      WriteFile(packed_ + "/" + file, before);
    }
  }
  EXPECT_GE(flips, 500u);
  EXPECT_EQ(Verify().problem_count, 0u);
}

// What random bits of a large file seldom hit.
TEST_F(VerifyTest, EveryKindOfByteIsCovered) {
  const auto model = CompressedModel::Open(packed_);
  ASSERT_THAT(model, IsOk());
  std::vector<std::pair<std::string, uint64_t>> bytes;
  for (const Shard& shard : (*model)->shards()) {
    const std::string& file = shard.file_name;
    for (uint64_t i = 0; i < 8; ++i) bytes.push_back({file, i});
    bytes.push_back({file, 8 + shard.header.json.size() - 1});
    for (uint64_t i = 0; i < 32; ++i) bytes.push_back({file, shard.manifest_offset_bytes + i});
    bytes.push_back({file, shard.size_bytes - 1});
    for (const Unit& unit : shard.manifest.units) {
      bytes.push_back({file, unit.offset_bytes});
      bytes.push_back({file, unit.offset_bytes + unit.stored_size_bytes - 1});
      bytes.push_back({file, unit.offset_bytes + unit.stored_size_bytes});
      for (const Piece& piece : unit.pieces) {
        if (piece.stored_size_bytes == 0) continue;
        const uint64_t begin = unit.offset_bytes + piece.stored_offset_bytes;
        bytes.push_back({file, begin});
        bytes.push_back({file, begin - 1});
        bytes.push_back({file, begin + piece.stored_size_bytes - 1});
      }
    }
  }
  for (const auto& [file, byte] : bytes) {
    const std::string before = Flip(file, byte * 8 + 3);
    EXPECT_GT(Verify().problem_count, 0u) << file << ", byte " << byte;
    WriteFile(packed_ + "/" + file, before);
  }
}

TEST_F(VerifyTest, NamesTensorUnitAndShardOfEveryDamage) {
  const auto model = CompressedModel::Open(packed_);
  ASSERT_THAT(model, IsOk());
  for (const char* tensor : {"model.embed_tokens.weight", "model.layers.1.q_proj.weight"}) {
    const PieceRef ref = (*model)->FindTensor(tensor)[0];
    const Unit& unit = (*model)->unit(ref.unit_index);
    Flip((*model)->shard_of(ref.unit_index).file_name,
         ChunkOffsetBytes(unit, unit.pieces[ref.piece], 0) * 8);
  }
  const VerifyReport report = Verify();
  EXPECT_EQ(report.problem_count, 2u);
  EXPECT_THAT(report.problems[0],
              HasSubstr("unit \"embed\", tensor \"model.embed_tokens.weight\""));
  EXPECT_THAT(report.problems[1], HasSubstr("unit \"layers.1\""));
  EXPECT_THAT(report.problems[1], HasSubstr(".safetensors"));
}

TEST_F(VerifyTest, DamageToOneShardsHeaderDoesNotHideAnother) {
  const auto model = CompressedModel::Open(packed_);
  ASSERT_THAT(model, IsOk());
  ASSERT_GE((*model)->shards().size(), 2u);
  Flip((*model)->shards()[0].file_name, 100 * 8);
  const Shard& last = (*model)->shards().back();
  Flip(last.file_name, last.manifest.units[0].offset_bytes * 8);
  const VerifyReport report = Verify();
  EXPECT_EQ(report.problem_count, 2u) << ::testing::PrintToString(report.problems);
}

TEST_F(VerifyTest, ReportsMissingFiles) {
  std::filesystem::remove(packed_ + "/tokenizer/tokenizer.json");
  EXPECT_THAT(Verify().problems, ElementsAre(HasSubstr("tokenizer/tokenizer.json")));
  const auto model = CompressedModel::Open(packed_);
  ASSERT_THAT(model, IsOk());
  const std::string shard = (*model)->shards()[1].file_name;
  std::filesystem::remove(packed_ + "/" + shard);
  EXPECT_THAT(Verify().problems, Contains(HasSubstr(shard)));
}

TEST_F(VerifyTest, ReportsTrailingAndMissingBytes) {
  for (const auto& [file, bytes] : ReadTree(packed_)) {
    WriteFile(packed_ + "/" + file, bytes + '\0');
    EXPECT_GT(Verify().problem_count, 0u) << file;
    WriteFile(packed_ + "/" + file, bytes.substr(0, bytes.size() - 1));
    EXPECT_GT(Verify().problem_count, 0u) << file;
    WriteFile(packed_ + "/" + file, "");
    EXPECT_GT(Verify().problem_count, 0u) << file;
    WriteFile(packed_ + "/" + file, bytes);
  }
}

TEST_F(VerifyTest, ReportsShardsOfAnotherModel) {
  testing::PlainFile other;
  other.Add("model.layers.1.q_proj.weight", "F8_E4M3", {9001}, testing::FakeE4M3(9001, 99));
  const auto model = CompressedModel::Open(packed_);
  ASSERT_THAT(model, IsOk());
  const std::string last = (*model)->shards().back().file_name;
  WriteFile(dir_ / "b/" + last, other.Bytes());
  ASSERT_THAT(CompressModel(dir_ / "b", dir_ / "c", {}), IsOk());
  std::filesystem::copy_file(dir_ / "c/" + last, packed_ + "/" + last,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_GT(Verify().problem_count, 0u);
}

TEST_F(VerifyTest, FurtherFilesAreNoted) {
  WriteFile(packed_ + "/README.md", "mine");
  const VerifyReport report = Verify();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("README.md")));
}

TEST_F(VerifyTest, AgainstFindsEveryDifference) {
  for (const auto& [file, bytes] : ReadTree(dir_ / "plain")) {
    // The last byte of a shard is a weight; of the other files, JSON or data that still parses.
    std::string changed = bytes;
    changed.back() = changed.back() == '\n' ? ' ' : static_cast<char>(changed.back() ^ 1);
    WriteFile(dir_ / "plain/" + file, changed);
    EXPECT_GT(Verify(dir_ / "plain").problem_count, 0u) << file;
    WriteFile(dir_ / "plain/" + file, bytes);
  }
  WriteFile(dir_ / "plain/more.txt", "x");
  EXPECT_THAT(Verify(dir_ / "plain").problems, ElementsAre(HasSubstr("more.txt")));
  std::filesystem::remove(dir_ / "plain/more.txt");
  EXPECT_THAT(Verify(dir_ / "plain").problems, IsEmpty());
}

TEST_F(VerifyTest, WhatIsNoModelIsAnError) {
  EXPECT_EQ(VerifyModel(dir_ / "nowhere", "", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(VerifyModel(dir_ / "plain", "", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(VerifyModel(packed_, dir_ / "nowhere", {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(VerifyTest, CanBeCancelled) {
  std::atomic<bool> cancel = true;
  JobOptions options;
  options.cancel = &cancel;
  EXPECT_EQ(VerifyModel(packed_, "", options).status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ecf8
