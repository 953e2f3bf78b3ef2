#include "loader/model/compressed_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "loader/model/compress.h"
#include "loader/model/error_info.h"
#include "loader/model/summary.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::ReadFile;
using testing::StatusIs;
using testing::TempDir;
using testing::WriteFile;

class CompressedModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::WriteTinyModel(dir_ / "plain");
    ASSERT_THAT(CompressModel(dir_ / "plain", dir_ / "packed", {}), IsOk());
  }

  TempDir dir_;
  const std::string shard_ = dir_ / "packed/model-00001-of-00001.safetensors";
};

TEST_F(CompressedModelTest, DescribesUnitsAndTensors) {
  const auto opened = CompressedModel::Open(dir_ / "packed/");
  ASSERT_THAT(opened, IsOk());
  const CompressedModel& model = **opened;
  EXPECT_EQ(model.name(), "packed");
  EXPECT_EQ(model.digest().size(), 16u);
  ASSERT_EQ(model.unit_count(), 3u);
  EXPECT_EQ(model.unit(0).id, "embed");
  EXPECT_EQ(model.FindUnit("layers.1"), 2u);
  EXPECT_FALSE(model.FindUnit("layers.7").has_value());
  EXPECT_TRUE(model.FindTensor("nothing").empty());
  const absl::Span<const PieceRef> pieces = model.FindTensor("model.layers.0.noise");
  ASSERT_EQ(pieces.size(), 1u);
  const Piece& noise = model.unit(pieces[0].unit_index).pieces[pieces[0].piece];
  EXPECT_EQ(noise.codec, Codec::kRaw);  // it would have grown
  EXPECT_EQ(noise.stored_size_bytes, 4099u);
}

TEST_F(CompressedModelTest, DecodesChunks) {
  const auto opened = CompressedModel::Open(dir_ / "packed");
  ASSERT_THAT(opened, IsOk());
  const CompressedModel& model = **opened;
  const PieceRef ref = model.FindTensor("model.layers.1.q_proj.weight")[0];
  const auto tables = model.ReadTables(ref.unit_index);
  ASSERT_THAT(tables, IsOk());
  std::vector<uint8_t> scratch;
  std::vector<uint8_t> decoded(9001);
  ASSERT_THAT(model.ReadDecodedChunk(ref, 0, *tables, &scratch, absl::MakeSpan(decoded)), IsOk());
  EXPECT_EQ(std::string(decoded.begin(), decoded.end()), testing::FakeE4M3(9001, 5));
}

TEST_F(CompressedModelTest, DamageCarriesWhereItIs) {
  const auto opened = CompressedModel::Open(dir_ / "packed");
  ASSERT_THAT(opened, IsOk());
  const CompressedModel& model = **opened;
  const PieceRef ref = model.FindTensor("model.layers.1.q_proj.weight")[0];
  const Unit& unit = model.unit(ref.unit_index);
  const uint64_t offset = ChunkOffsetBytes(unit, unit.pieces[ref.piece], 0);
  std::string bytes = ReadFile(shard_);
  bytes[offset] ^= 1;
  bytes[unit.offset_bytes] ^= 1;
  WriteFile(shard_, bytes);  // rewritten in place: the open model reads the damage
  std::vector<uint8_t> stored;
  const absl::Status status = model.ReadStoredChunk(ref, 0, &stored);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("q_proj.weight")));
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(*info, (ErrorInfo{ErrorReason::kCorruptData, "packed", "layers.1",
                              "model.layers.1.q_proj.weight", "model-00001-of-00001.safetensors",
                              offset}));
  const absl::Status tables = model.ReadTables(ref.unit_index).status();
  EXPECT_EQ(tables.code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(GetErrorInfo(tables).has_value());
  EXPECT_EQ(GetErrorInfo(tables)->unit, "layers.1");
}

TEST_F(CompressedModelTest, WhatIsNoModel) {
  EXPECT_EQ(CompressedModel::Open(dir_ / "nowhere").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CompressedModel::Open(dir_ / "plain").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CompressedModel::Open(shard_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CompressedModelTest, ForeignSafetensorsFilesAreOverlooked) {
  WriteFile(dir_ / "packed/a.safetensors", testing::PlainFile().Add("x", "U8", {1}, "x").Bytes());
  WriteFile(dir_ / "packed/b.safetensors", "no safetensors file");
  EXPECT_THAT(CompressedModel::Open(dir_ / "packed"), IsOk());
}

TEST_F(CompressedModelTest, RenamedShardsAreRefused) {
  std::filesystem::rename(shard_, dir_ / "packed/other.safetensors");
  const auto status = CompressedModel::Open(dir_ / "packed").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetErrorInfo(status)->model, "packed");
}

TEST_F(CompressedModelTest, TruncatedAtAnyLength) {
  const std::string bytes = ReadFile(shard_);
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 7) {
    WriteFile(shard_, bytes.substr(0, size));
    EXPECT_FALSE(CompressedModel::Open(dir_ / "packed").ok()) << size;
  }
}

TEST_F(CompressedModelTest, SummaryCountsEverything) {
  const auto opened = CompressedModel::Open(dir_ / "packed");
  ASSERT_THAT(opened, IsOk());
  const ModelSummary summary = Summarize(**opened);
  uint64_t stored = 0;
  for (const auto& [path, bytes] : testing::ReadTree(dir_ / "packed")) stored += bytes.size();
  uint64_t raw = 0;
  for (const auto& [path, bytes] : testing::ReadTree(dir_ / "plain")) raw += bytes.size();
  EXPECT_EQ(summary.stored_bytes, stored);
  EXPECT_EQ(summary.raw_bytes, raw);
  EXPECT_EQ(summary.header_bytes + summary.manifest_bytes + summary.tables_bytes +
                summary.chunk_bytes + summary.padding_bytes + summary.other_file_bytes,
            stored);
  EXPECT_EQ(summary.fp8.weights, 8385u + 4099 + 9001 + 6144);
  EXPECT_EQ(summary.fp8.coded_weights, 8385u + 9001 + 6144);
  EXPECT_GT(summary.bits_per_fp8_weight, 5);
  EXPECT_EQ(summary.tensor_count, 8u);
}

}  // namespace
}  // namespace ecf8
