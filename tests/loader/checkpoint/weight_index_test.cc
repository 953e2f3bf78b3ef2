#include "loader/checkpoint/weight_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::WriteFile;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(WeightIndex, SkipsWhatItDoesNotNeed) {
  auto index = ParseWeightIndex(
      R"({"metadata":{"total_size":1.5e9,"weight_map":[{"weight_map":{"x":1}}],"n":null},)"
      R"("weight_map":{"b":"model-2.safetensors","a":"model-1.safetensors"},"more":["x",-1,{}]})");
  ASSERT_THAT(index, IsOk());
  EXPECT_THAT(index->shard_of,
              ElementsAre(Pair("a", "model-1.safetensors"), Pair("b", "model-2.safetensors")));
}

TEST(WeightIndex, ATensorMayHaveAnyName) {
  auto index = ParseWeightIndex(
      R"({"weight_map":{"weight_map":"s.safetensors","":"s.safetensors"},"x":{"y":1},"z":[2]})");
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ(index->shard_of.size(), 2u);
}

TEST(WeightIndex, BadOnesAreRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "begin with {"},
      {"{}", "no weight_map"},
      {R"({"metadata":{"weight_map":{}}})", "no weight_map"},
      {R"({"weight_map":[]})", "weight_map: unexpected an array"},
      {R"({"weight_map":null})", "weight_map: unexpected null"},
      {R"({"weight_map":"x"})", "weight_map: unexpected a string"},
      {R"({"weight_map":{"a":1}})", "weight_map: unexpected a number"},
      {R"({"weight_map":{"a":true}})", "weight_map: unexpected a boolean"},
      {R"({"weight_map":{"a":{}}})", "weight_map: unexpected an object"},
      {R"({"weight_map":{"a":["x"]}})", "weight_map: unexpected an array"},
      {R"({"weight_map":{},"weight_map":{}})", "weight_map stands there twice"},
      {R"({"weight_map":{"a":"s.safetensors","a":"s.safetensors"}})",
       "tensor \"a\" stands there twice"},
      {R"({"weight_map":{"a":"../s.safetensors"}})", "tensor \"a\": \"../s.safetensors\""},
      {R"({"weight_map":{"a":"s.bin"}})", "not the name of a .safetensors file"},
      {R"({"weight_map":{"a":"s.safetensors"})", "no valid JSON"},
  };
  for (const auto& [json, message] : cases) {
    EXPECT_THAT(ParseWeightIndex(json),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << json;
  }
}

TEST(WeightIndex, ShardNames) {
  using std::string_literals::operator""s;
  EXPECT_TRUE(IsShardName("model-00001-of-00163.safetensors"));
  EXPECT_TRUE(IsShardName("größe.safetensors"));
  EXPECT_TRUE(IsShardName(std::string(243, 'x') + ".safetensors"));
  for (const std::string& bad :
       {""s, "x"s, "/etc/x.safetensors"s, "a/x.safetensors"s, "a\\x.safetensors"s, "..safetensors"s,
        "a..b.safetensors"s, "a\0.safetensors"s, "\xFF.safetensors"s,
        std::string(244, 'x') + ".safetensors", "x.safetensors/"s, "x.safetensors.index.json"s}) {
    EXPECT_FALSE(IsShardName(bad)) << bad;
  }
}

TEST(WeightIndex, FilesAreNamedAndBounded) {
  const TempDir directory;
  WriteFile(directory / "index.json", R"({"weight_map":{"a":1}})");
  EXPECT_THAT(ReadWeightIndex(*File::OpenForRead(directory / "index.json")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("index.json"), HasSubstr("unexpected a number"))));
  std::filesystem::resize_file(directory / "index.json", kMaxWeightIndexBytes + 1);
  EXPECT_THAT(ReadWeightIndex(*File::OpenForRead(directory / "index.json")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("100000001 bytes")));
}

}  // namespace
}  // namespace ecf8
