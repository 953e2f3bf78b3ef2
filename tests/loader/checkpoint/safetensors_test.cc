#include "loader/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::SafetensorsBytes;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::WriteFile;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using std::string_literals::operator""s;

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":[", shape,
                      "],\"data_offsets\":[", offsets, "]}");
}

TEST(Safetensors, ReadsTensorsInDataOrderAndMetadata) {
  const std::string json = R"({"__metadata__":{"format":"pt","":"empty"},)" +
                           Entry("late", "BF16", "2,2", "4,12") + "," +
                           Entry("empty2", "F32", "0,3", "4,4") + "," +
                           Entry("größe \\\"q\\\" \\u00e9", "F32", "", "0,4") + "," +
                           Entry("empty1", "F32", "0", "4,4") + "}   \n";
  auto header = ParseSafetensorsHeader(json, 12);
  ASSERT_THAT(header, IsOk());
  ASSERT_EQ(header->tensors.size(), 4u);
  EXPECT_EQ(header->tensors[0].name, "größe \"q\" é");
  EXPECT_EQ(header->tensors[0].dtype, DType::kF32);
  EXPECT_TRUE(header->tensors[0].shape.empty());
  EXPECT_EQ(header->tensors[1].name, "empty2");  // of equal offsets, in the JSON's order
  EXPECT_EQ(header->tensors[1].size_bytes(), 0u);
  EXPECT_EQ(header->tensors[2].name, "empty1");
  EXPECT_EQ(header->tensors[3].name, "late");
  EXPECT_THAT(header->tensors[3].shape, ElementsAre(2, 2));
  EXPECT_EQ(header->tensors[3].begin, 4u);
  EXPECT_EQ(header->tensors[3].end, 12u);
  EXPECT_TRUE(header->has_metadata);
  EXPECT_THAT(header->metadata,
              ElementsAre(std::pair<const std::string, std::string>("", "empty"),
                          std::pair<const std::string, std::string>("format", "pt")));
  EXPECT_EQ(header->json, json);
  EXPECT_EQ(header->data_offset(), 8 + json.size());
}

TEST(Safetensors, NoTensorsAtAll) {
  auto header = ParseSafetensorsHeader("{}", 0);
  ASSERT_THAT(header, IsOk());
  EXPECT_TRUE(header->tensors.empty());
  EXPECT_FALSE(header->has_metadata);
  EXPECT_THAT(ParseSafetensorsHeader("{}", 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the file at 1")));
  EXPECT_TRUE(ParseSafetensorsHeader(R"({"__metadata__":{}})", 0)->has_metadata);
}

struct BadHeader {
  std::string json;
  std::string message;
};

class BadHeaders : public ::testing::TestWithParam<BadHeader> {};

// Each of them describes 8 bytes of data, but for what its message says.
TEST_P(BadHeaders, AreRefused) {
  EXPECT_THAT(ParseSafetensorsHeader(GetParam().json, 8),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)))
      << GetParam().json;
}

const std::string kGood = Entry("w", "U8", "8", "0,8");

INSTANTIATE_TEST_SUITE_P(
    Structure, BadHeaders,
    ::testing::Values(
        BadHeader{"", "begin with {"}, BadHeader{"[]", "begin with {"},
        BadHeader{" {" + kGood + "}", "begin with {"}, BadHeader{"{" + kGood, "JSON"},
        BadHeader{"{" + kGood + "}x", "JSON"}, BadHeader{"{" + kGood + "}\0"s, "NUL"},
        BadHeader{"{" + kGood + "," + kGood + "}", "tensor \"w\": stands there twice"},
        BadHeader{"{" + kGood +
                      ",\"\\u0077\":{\"dtype\":\"U8\",\"shape\":[0],"
                      "\"data_offsets\":[8,8]}}",
                  "tensor \"w\": stands there twice"},
        BadHeader{"{\"w\":[]}", "tensor \"w\": unexpected an array"},
        BadHeader{"{\"w\":null}", "tensor \"w\": unexpected null"},
        BadHeader{"{\"w\":\"x\"}", "tensor \"w\": unexpected a string"},
        BadHeader{"{\"w\":{}}", "tensor \"w\": needs"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8]}})", "tensor \"w\": needs"},
        BadHeader{R"({"w":{"dtype":"U8","data_offsets":[0,8]}})", "tensor \"w\": needs"},
        BadHeader{R"({"w":{"shape":[8],"data_offsets":[0,8]}})", "tensor \"w\": needs"},
        BadHeader{R"({"w":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
                  "dtype stands there twice"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8],"shape":[8],"data_offsets":[0,8]}})",
                  "shape stands there twice"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"data_offsets":[0,8]}})",
                  "data_offsets stands there twice"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"strides":[1]}})",
                  "unknown key \"strides\""},
        BadHeader{R"({"w":{"dtype":8,"shape":[8],"data_offsets":[0,8]}})", "unexpected a number"},
        BadHeader{R"({"w":{"dtype":"FP8","shape":[8],"data_offsets":[0,8]}})",
                  "unknown dtype \"FP8\""},
        BadHeader{R"({"w":{"dtype":"U8","shape":8,"data_offsets":[0,8]}})", "unexpected a number"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[[8]],"data_offsets":[0,8]}})",
                  "unexpected an array"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[{}],"data_offsets":[0,8]}})",
                  "unexpected an object"},
        BadHeader{R"({"w":{"dtype":"U8","shape":["8"],"data_offsets":[0,8]}})",
                  "unexpected a string"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8],"data_offsets":{"0":8}}})",
                  "unexpected an object"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[8]}})", "not two numbers"},
        BadHeader{R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8,8]}})", "not two numbers"},
        BadHeader{R"({"__metadata__":{"a":1}})", "__metadata__: unexpected a number"},
        BadHeader{R"({"__metadata__":{"a":{}}})", "__metadata__: unexpected an object"},
        BadHeader{R"({"__metadata__":null})", "__metadata__: unexpected null"},
        BadHeader{R"({"__metadata__":"x"})", "__metadata__: unexpected a string"},
        BadHeader{R"({"__metadata__":{"a":"x","a":"y"}})", "the key \"a\" stands there twice"},
        BadHeader{R"({"__metadata__":{},"__metadata__":{}})", "__metadata__ stands there twice"}));

INSTANTIATE_TEST_SUITE_P(
    Layout, BadHeaders,
    ::testing::Values(
        BadHeader{"{" + Entry("w", "U8", "-8", "0,8") + "}", "unexpected a negative number"},
        BadHeader{"{" + Entry("w", "U8", "8.0", "0,8") + "}", "unexpected a fraction"},
        BadHeader{"{" + Entry("w", "U8", "8", "0,8e0") + "}", "unexpected a fraction"},
        BadHeader{"{" + Entry("w", "U8", "8", "-0,8") + "}", "unexpected a negative number"},
        BadHeader{"{" + Entry("w", "U8", "9223372036854775809", "0,8") + "}", "above 2^63"},
        BadHeader{"{" + Entry("w", "U8", "8", "0,18446744073709551616") + "}",
                  "too large a number"},
        BadHeader{"{" + Entry("w", "U8", "8", "8,0") + "}", "end before they begin"},
        BadHeader{"{" + Entry("w", "U8", "7", "0,8") + "}", "are 8 bytes, its dtype and shape 7"},
        BadHeader{"{" + Entry("w", "BF16", "8", "0,8") + "}", "its dtype and shape 16"},
        BadHeader{"{" + Entry("w", "U8", "4294967296,4294967296", "0,0") + "}", "no size in bytes"},
        BadHeader{"{" + Entry("w", "F4", "3", "0,1") + "}", "no size in bytes"},
        BadHeader{"{" + Entry("w", "U8", "9", "0,9") + "}", "beyond the 8 bytes"},
        BadHeader{"{" + Entry("w", "U8", "9223372036854775807", "0,9223372036854775807") + "}",
                  "beyond the 8 bytes"},
        BadHeader{"{" + Entry("w", "U8", "7", "1,8") + "}",
                  "tensor \"w\": data_offsets [1, 8] leave"},
        BadHeader{"{" + Entry("w", "U8", "7", "0,7") + "}", "the tensors end at byte 7"},
        BadHeader{"{" + Entry("a", "U8", "4", "0,4") + "," + Entry("b", "U8", "3", "5,8") + "}",
                  "tensor \"b\": data_offsets [5, 8] leave a hole"},
        BadHeader{"{" + Entry("a", "U8", "5", "0,5") + "," + Entry("b", "U8", "4", "4,8") + "}",
                  "tensor \"b\": data_offsets [4, 8] overlap"},
        BadHeader{"{" + kGood + "," + Entry("b", "U8", "8", "0,8") + "}", "overlap"},
        BadHeader{"{" + kGood + "," + Entry("b", "U8", "0", "4,4") + "}", "overlap"},
        BadHeader{"{" +
                      Entry("w", "U8",
                            absl::StrCat("8", std::string(128, ' '),
                                         [] {
                                           std::string ones;
                                           for (int i = 0; i < 64; ++i) ones += ",1";
                                           return ones;
                                         }()),
                            "0,8") +
                      "}",
                  "more than 64 dimensions"}));

TEST(Safetensors, ALongNameIsCutInTheMessage) {
  const std::string name(1'000'000, 'n');
  const auto header = ParseSafetensorsHeader("{" + Entry(name, "NONE", "8", "0,8") + "}", 8);
  ASSERT_FALSE(header.ok());
  EXPECT_LT(header.status().message().size(), 1000u);
}

TEST(Safetensors, ReadsFiles) {
  const TempDir directory;
  const std::string json = "{" + kGood + "}  ";
  WriteFile(directory / "good", SafetensorsBytes(json, "01234567"));
  auto header = ReadSafetensorsHeader(*File::OpenForRead(directory / "good"));
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->json, json);
  ASSERT_EQ(header->tensors.size(), 1u);
  EXPECT_EQ(header->tensors[0].name, "w");
}

TEST(Safetensors, BadFilesAreNamed) {
  const TempDir directory;
  const std::string good = SafetensorsBytes("{" + kGood + "}", "01234567");
  const auto with_length = [&good](std::string length) { return length + good.substr(8); };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it has 0 bytes"},
      {good.substr(0, 7), "it has 7 bytes"},
      {good.substr(0, 8), "the file ends after 0"},
      {good.substr(0, 20), "the file ends after 12"},
      {good.substr(0, good.size() - 1), "beyond the 7 bytes"},
      {good + "8", "the file at 9"},
      {SafetensorsBytes("", ""), "begin with {"},
      {with_length("\xFF\xFF\xFF\xFF\0\0\0\0"s), "4294967295 bytes, more than 100000000"},
      {with_length("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s), "18446744073709551615 bytes"},
      {with_length("\x01\xE1\xF5\x05\0\0\0\0"s), "100000001 bytes, more than"},
      {with_length("\x00\xE1\xF5\x05\0\0\0\0"s), "100000000 bytes, but the file ends"},
  };
  for (const auto& [bytes, message] : cases) {
    WriteFile(directory / "bad.safetensors", bytes);
    EXPECT_THAT(ReadSafetensorsHeader(*File::OpenForRead(directory / "bad.safetensors")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("bad.safetensors"), HasSubstr(message))));
  }
}

TEST(Safetensors, WritesWhatTheLibraryWrites) {
  std::vector<SafetensorsTensor> tensors(2);
  tensors[0] = {"größe \"q\"\n", DType::kF8E4M3, {3, 5}, 0, 15};
  tensors[1] = {"scalar", DType::kBF16, {}, 15, 17};
  EXPECT_EQ(WriteSafetensorsJson(tensors, nullptr),
            R"({"größe \"q\"\n":{"dtype":"F8_E4M3","shape":[3,5],"data_offsets":[0,15]},)"
            R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[15,17]}})");
  const std::map<std::string, std::string> metadata = {{"a", "1"}, {"format", "pt"}};
  tensors.pop_back();
  EXPECT_EQ(WriteSafetensorsJson(tensors, &metadata),
            R"({"__metadata__":{"a":"1","format":"pt"},)"
            R"("größe \"q\"\n":{"dtype":"F8_E4M3","shape":[3,5],"data_offsets":[0,15]}})");
  EXPECT_EQ(WriteSafetensorsJson({}, nullptr), "{}");
  const std::map<std::string, std::string> empty;
  EXPECT_EQ(WriteSafetensorsJson({}, &empty), R"({"__metadata__":{}})");
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  const std::vector<SafetensorsTensor> tensors = {
      {"\x01 \\ / é 🙂", DType::kI64, {2, 1}, 0, 16},
      {"none", DType::kBool, {4, 0}, 16, 16},
      {"", DType::kF4, {4}, 16, 18},
  };
  const std::map<std::string, std::string> metadata = {{"ключ", "\"значение\"\t"}};
  auto header = ParseSafetensorsHeader(WriteSafetensorsJson(tensors, &metadata), 18);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->metadata, metadata);
  ASSERT_EQ(header->tensors.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(header->tensors[i].name, tensors[i].name);
    EXPECT_EQ(header->tensors[i].dtype, tensors[i].dtype);
    EXPECT_EQ(header->tensors[i].shape, tensors[i].shape);
    EXPECT_EQ(header->tensors[i].begin, tensors[i].begin);
    EXPECT_EQ(header->tensors[i].end, tensors[i].end);
  }
}

}  // namespace
}  // namespace ecf8
