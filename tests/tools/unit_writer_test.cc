#include "tools/ecf8/unit_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "loader/checkpoint/safetensors.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;

v1::Tensor* AddTensor(v1::Unit* unit, const std::string& name, const std::string& dtype,
                      const std::vector<uint64_t>& shape, uint64_t size, uint64_t offset) {
  v1::Tensor* const tensor = unit->add_tensors();
  tensor->set_name(name);
  tensor->set_dtype(dtype);
  tensor->mutable_shape()->Add(shape.begin(), shape.end());
  tensor->set_size_bytes(size);
  tensor->set_decoded_offset_bytes(offset);
  return tensor;
}

std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(UnitWriter, DecodedUnitIsASafetensorsFile) {
  const testing::TempDir directory;
  v1::Unit unit;
  unit.set_id("embed#1");
  AddTensor(&unit, "whole", "BF16", {2, 3}, 12, 0);
  AddTensor(&unit, "empty", "F32", {0}, 0, 256);
  AddTensor(&unit, "part", "BF16", {100, 100}, 5, 256)->set_tensor_offset_bytes(1000);
  AddTensor(&unit, "odd \"name\"", "U8", {1}, 1, 512);
  const auto writer = MakeUnitWriter(directory.path(), v1::FORM_DECODED);
  ASSERT_THAT(writer->Begin(unit), IsOk());
  ASSERT_THAT(writer->Data(0, "01234567"), IsOk());
  ASSERT_THAT(writer->Data(8, "89AB"), IsOk());
  ASSERT_THAT(writer->Data(256, "abcde"), IsOk());
  ASSERT_THAT(writer->Data(512, "Z"), IsOk());
  EXPECT_FALSE(std::filesystem::exists(directory / "embed#1.safetensors"));
  ASSERT_THAT(writer->End(), IsOk());
  EXPECT_THAT(Names(directory.path()), ::testing::ElementsAre("embed#1.safetensors"));

  const auto file = File::OpenForRead(directory / "embed#1.safetensors");
  ASSERT_THAT(file, IsOk());
  const auto header = ReadSafetensorsHeader(*file);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->data_offset() % 8, 0u);
  const std::string bytes = testing::ReadFile(directory / "embed#1.safetensors");
  std::map<std::string, std::string> data;
  for (const SafetensorsTensor& tensor : header->tensors) {
    data[tensor.name] = bytes.substr(header->data_offset() + tensor.begin, tensor.size_bytes());
    if (tensor.name == "whole") {
      EXPECT_EQ(tensor.shape, (std::vector<uint64_t>{2, 3}));
      EXPECT_EQ(tensor.dtype, DType::kBF16);
    }
    if (tensor.name == "part") {
      EXPECT_EQ(tensor.shape, std::vector<uint64_t>{5});
      EXPECT_EQ(tensor.dtype, DType::kU8);
    }
  }
  EXPECT_EQ(
      data,
      (std::map<std::string, std::string>{
          {"whole", "0123456789AB"}, {"empty", ""}, {"part", "abcde"}, {"odd \"name\"", "Z"}}));
  const auto part = nlohmann::json::parse(header->metadata.at("ecf8.part.part"), nullptr, false);
  EXPECT_EQ(part["dtype"], "BF16");
  EXPECT_EQ(part["shape"], nlohmann::json({100, 100}));
  EXPECT_EQ(part["offset_bytes"], 1000);
  EXPECT_EQ(part["size_bytes"], 20'000);
}

TEST(UnitWriter, StoredUnitKeepsItsOffsets) {
  const testing::TempDir directory;
  v1::Unit unit;
  unit.set_id("layers.0");
  AddTensor(&unit, "w", "F8_E4M3", {4}, 4, 0);
  const auto writer = MakeUnitWriter(directory.path(), v1::FORM_STORED);
  ASSERT_THAT(writer->Begin(unit), IsOk());
  ASSERT_THAT(writer->Data(0, "TT"), IsOk());
  ASSERT_THAT(writer->Data(16, "CCC"), IsOk());
  ASSERT_THAT(writer->End(), IsOk());
  EXPECT_THAT(Names(directory.path()),
              ::testing::ElementsAre("layers.0.ecf8unit", "layers.0.json"));
  EXPECT_EQ(testing::ReadFile(directory / "layers.0.ecf8unit"),
            "TT" + std::string(14, '\0') + "CCC");
  const auto json =
      nlohmann::json::parse(testing::ReadFile(directory / "layers.0.json"), nullptr, false);
  EXPECT_EQ(json["id"], "layers.0");
  EXPECT_EQ(json["tensors"][0]["name"], "w");
}

TEST(UnitWriter, WithoutTheEndNothingStays) {
  for (const v1::Form form : {v1::FORM_STORED, v1::FORM_DECODED}) {
    const testing::TempDir directory;
    testing::WriteFile(directory / "u.safetensors", "old");
    testing::WriteFile(directory / "u.ecf8unit", "old");
    v1::Unit unit;
    unit.set_id("u");
    AddTensor(&unit, "w", "U8", {4}, 4, 0);
    {
      const auto writer = MakeUnitWriter(directory.path(), form);
      ASSERT_THAT(writer->Begin(unit), IsOk());
      ASSERT_THAT(writer->Data(0, "1"), IsOk());
    }
    EXPECT_EQ(Names(directory.path()).size(), 2u);
    EXPECT_EQ(testing::ReadFile(directory / "u.safetensors"), "old");
    EXPECT_EQ(testing::ReadFile(directory / "u.ecf8unit"), "old");
  }
}

}  // namespace
}  // namespace ecf8
