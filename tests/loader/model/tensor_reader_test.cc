#include "loader/model/tensor_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "loader/model/compress.h"
#include "tests/support/small_model.h"
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

absl::Span<uint8_t> AsSpan(std::string& text) {
  return absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), text.size());
}

class TensorReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    original_ = testing::MakeCompressedModel(dir_.path(), "model", {.layers = 3, .experts = 2});
    model_ = testing::OpenModel(dir_ / "model");
    ASSERT_NE(model_, nullptr);
  }

  TempDir dir_;
  testing::TensorBytes original_;
  std::shared_ptr<const CompressedModel> model_;
};

TEST_F(TensorReaderTest, EveryTensorAtOnce) {
  for (const int threads : {1, 3, 0}) {
    std::map<std::string, std::string> read;
    std::vector<TensorRange> ranges;
    for (const StoredTensor& tensor : ListTensors(*model_)) {
      std::string& bytes = read[std::string(tensor.name)];
      bytes.assign(tensor.size_bytes, '\xAA');
      ranges.push_back({tensor.name, 0, AsSpan(bytes)});
    }
    ASSERT_THAT(ReadTensors(*model_, ranges, {.threads = threads}), IsOk());
    EXPECT_TRUE(read == original_) << threads;
  }
}

TEST_F(TensorReaderTest, AnyRange) {
  std::mt19937 random(1);
  for (int run = 0; run < 200; ++run) {
    std::vector<TensorRange> ranges;
    std::vector<std::string> wanted;
    std::vector<std::string> read(original_.size());
    for (const auto& [name, bytes] : original_) {
      const size_t begin = random() % (bytes.size() + 1);
      const size_t most = run % 2 == 0 ? bytes.size() : 100;
      wanted.push_back(bytes.substr(begin, random() % (most + 1)));
      std::string& out = read[ranges.size()];
      out.assign(wanted.back().size(), '\xAA');
      ranges.push_back({name, begin, AsSpan(out)});
    }
    ASSERT_THAT(ReadTensors(*model_, ranges, {.threads = 2}), IsOk());
    ASSERT_TRUE(read == wanted) << run;
  }
}

TEST_F(TensorReaderTest, WhatCannotBeRead) {
  std::string out(4, '\xAA');
  EXPECT_THAT(ReadTensors(*model_, {{"nothing", 0, AsSpan(out)}}, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"nothing\"")));
  const StoredTensor tensor = ListTensors(*model_)[0];
  EXPECT_THAT(ReadTensors(*model_, {{tensor.name, tensor.size_bytes - 3, AsSpan(out)}}, {}),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(std::string(tensor.name))));
  EXPECT_THAT(ReadTensors(*model_, {{tensor.name, ~uint64_t{0}, AsSpan(out)}}, {}),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(std::string(tensor.name))));
  EXPECT_EQ(out, std::string(4, '\xAA'));
}

TEST_F(TensorReaderTest, DamageIsAnErrorOfTheRangesThatMeetIt) {
  const std::string name = "model.layers.1.self_attn.q_proj.weight";
  const absl::Span<const PieceRef> pieces = model_->FindTensor(name);
  ASSERT_EQ(pieces.size(), 1u);
  const Unit& unit = model_->unit(pieces[0].unit_index);
  const std::string shard = dir_ / "model/" + model_->shards()[0].file_name;
  std::string bytes = ReadFile(shard);
  bytes[ChunkOffsetBytes(unit, unit.pieces[pieces[0].piece], 1)] ^= 1;
  WriteFile(shard, bytes);
  std::string out(100, '\0');
  EXPECT_THAT(ReadTensors(*model_, {{name, 0, AsSpan(out)}}, {}), IsOk());
  EXPECT_EQ(out, original_.at(name).substr(0, 100));
  EXPECT_THAT(ReadTensors(*model_, {{name, (1 << 20) - 99, AsSpan(out)}}, {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(name)));
}

TEST_F(TensorReaderTest, ItsPollEndsIt) {
  std::string out(original_.at("model.layers.1.self_attn.q_proj.weight").size(), '\0');
  TensorReadOptions options;
  options.poll = [] { return absl::CancelledError("enough"); };
  EXPECT_THAT(
      ReadTensors(*model_, {{"model.layers.1.self_attn.q_proj.weight", 0, AsSpan(out)}}, options),
      StatusIs(absl::StatusCode::kCancelled, "enough"));
}

// A shard has what its tensors need, whether or not the others are there.
TEST(TensorReader, ShardsAlone) {
  TempDir dir;
  const testing::TensorBytes original =
      testing::MakeCompressedModel(dir.path(), "model", {.layers = 4, .shard_size_bytes = 3 << 20});
  const auto whole = testing::OpenModel(dir / "model");
  ASSERT_NE(whole, nullptr);
  ASSERT_GT(whole->shards().size(), 1u);
  testing::TensorBytes read;
  for (const Shard& shard : whole->shards()) {
    std::filesystem::create_directory(dir / "alone");
    const std::string path = dir / "alone/renamed.safetensors";
    std::filesystem::rename(dir / "model/" + shard.file_name, path);
    const auto model = CompressedModel::OpenFile(path);
    ASSERT_THAT(model, IsOk());
    EXPECT_EQ((*model)->name(), "renamed.safetensors");
    for (const StoredTensor& tensor : ListTensors(**model)) {
      std::string& bytes = read[std::string(tensor.name)];
      bytes.assign(tensor.size_bytes, '\xAA');
      ASSERT_THAT(ReadTensors(**model, {{tensor.name, 0, AsSpan(bytes)}}, {}), IsOk());
    }
  }
  EXPECT_TRUE(read == original);
  EXPECT_EQ(CompressedModel::OpenFile(dir / "none").status().code(), absl::StatusCode::kNotFound);
  WriteFile(dir / "plain", testing::PlainFile().Add("x", "U8", {1}, "x").Bytes());
  EXPECT_EQ(CompressedModel::OpenFile(dir / "plain").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ecf8
