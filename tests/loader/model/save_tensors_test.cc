#include "loader/model/save_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "loader/model/compress.h"
#include "loader/model/tensor_reader.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;

absl::Span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class SaveTensorsTest : public ::testing::Test {
 protected:
  SaveTensorsTest() {
    bytes_["model.layers.0.up.weight"] = testing::FakeE4M3(1500 * 1024, 1);
    bytes_["model.layers.0.norm.weight"] = testing::NoiseBytes(2048, 2);
    bytes_["empty"] = "";
    bytes_["one"] = "abcd";
    bytes_["also.empty"] = "";
  }

  std::vector<TensorToSave> Tensors() const {
    return {
        {"model.layers.0.norm.weight", DType::kBF16, {1024}, Of("model.layers.0.norm.weight")},
        {"empty", DType::kF32, {0, 7}, {}},
        {"model.layers.0.up.weight", DType::kF8E4M3, {1500, 1024}, Of("model.layers.0.up.weight")},
        {"one", DType::kF32, {}, Of("one")},
        {"also.empty", DType::kF8E4M3, {0}, {}}};
  }

  absl::Span<const uint8_t> Of(const std::string& name) const { return AsBytes(bytes_.at(name)); }

  static std::map<std::string, std::string> ReadAll(const CompressedModel& model) {
    std::map<std::string, std::string> read;
    for (const StoredTensor& tensor : ListTensors(model)) {
      std::string& out = read[std::string(tensor.name)];
      out.assign(tensor.size_bytes, '\xAA');
      const absl::Span<uint8_t> span(reinterpret_cast<uint8_t*>(out.data()), out.size());
      EXPECT_THAT(ReadTensors(model, {{tensor.name, 0, span}}, {}), IsOk());
    }
    return read;
  }

  TempDir dir_;
  std::map<std::string, std::string> bytes_;
};

TEST_F(SaveTensorsTest, ComesBackByFileAndByDirectory) {
  const std::string path = dir_ / "model.safetensors";
  ASSERT_THAT(SaveTensors(Tensors(), {{"format", "np"}, {"note", "x"}}, path, 2), IsOk());
  for (const auto& opened : {CompressedModel::OpenFile(path), CompressedModel::Open(dir_.path())}) {
    ASSERT_THAT(opened, IsOk());
    EXPECT_TRUE(ReadAll(**opened) == bytes_);
    const SafetensorsHeader& header = (*opened)->shards()[0].header;
    EXPECT_EQ(header.metadata.at("note"), "x");
  }
  // Nothing else is left, and it is a model like all others.
  EXPECT_EQ(testing::ReadTree(dir_.path()).size(), 1u);
  const auto report = VerifyModel(dir_.path(), "", {});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->problem_count, 0u);
  EXPECT_LT(std::filesystem::file_size(path), bytes_["model.layers.0.up.weight"].size());
}

TEST_F(SaveTensorsTest, TakesThePlaceOfWhatWasThere) {
  const std::string path = dir_ / "model.safetensors";
  testing::WriteFile(path, "something else");
  ASSERT_THAT(SaveTensors(Tensors(), {}, path, 1), IsOk());
  const auto opened = CompressedModel::OpenFile(path);
  ASSERT_THAT(opened, IsOk());
  EXPECT_TRUE(ReadAll(**opened) == bytes_);
}

TEST_F(SaveTensorsTest, NoTensors) {
  ASSERT_THAT(SaveTensors({}, {}, dir_ / "m.safetensors", 1), IsOk());
  const auto opened = CompressedModel::OpenFile(dir_ / "m.safetensors");
  ASSERT_THAT(opened, IsOk());
  EXPECT_TRUE(ListTensors(**opened).empty());
}

TEST_F(SaveTensorsTest, WhatIsRefusedLeavesNothing) {
  const auto save = [this](std::vector<TensorToSave> tensors, const std::string& name) {
    return SaveTensors(tensors, {}, dir_ / name, 1);
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(save(Tensors(), "model.bin"), StatusIs(invalid, HasSubstr(".safetensors")));
  EXPECT_THAT(save({{"w", DType::kF32, {2}, Of("one")}}, "m.safetensors"),
              StatusIs(invalid, HasSubstr("\"w\"")));
  EXPECT_THAT(
      save({{"w", DType::kF32, {}, Of("one")}, {"w", DType::kF32, {}, Of("one")}}, "m.safetensors"),
      StatusIs(invalid, HasSubstr("\"w\"")));
  EXPECT_THAT(save({{"__ecf8__.x", DType::kF32, {}, Of("one")}}, "m.safetensors"),
              StatusIs(invalid, HasSubstr("for itself")));
  EXPECT_EQ(SaveTensors(Tensors(), {}, dir_ / "none/m.safetensors", 1).code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

}  // namespace
}  // namespace ecf8
