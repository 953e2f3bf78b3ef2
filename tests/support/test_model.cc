#include "tests/support/test_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_dir.h"

namespace ecf8::testing {
namespace {

// The distributions of <random> differ between libraries; the generators do not.
std::string FakeFp8(size_t count, int exponent_bits, uint32_t seed) {
  std::mt19937 random(seed);
  const int mantissa_bits = 7 - exponent_bits;
  const int middle = 1 << (exponent_bits - 1);
  std::string bytes(count, '\0');
  for (char& byte : bytes) {
    const uint32_t bits = random();
    // Of 8 random bits about 4 are ones.
    const int exponent = middle - 2 + __builtin_popcount(bits & 0xFF) / 2;
    const uint32_t mantissa = bits >> 8 & ((1u << mantissa_bits) - 1);
    byte = static_cast<char>(bits >> 31 << 7 | static_cast<uint32_t>(exponent) << mantissa_bits |
                             mantissa);
  }
  return bytes;
}

std::string EachByte(size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}

constexpr size_t kSizes[] = {0,     1,     511,   512,     513,     32767,
                             32768, 32769, 65537, 1048575, 1048576, 1048577};

PlainFile AwkwardFp8() {
  PlainFile file;
  file.Metadata(R"({"format":"pt","note":"kept"})");
  uint32_t seed = 0;
  for (const size_t size : kSizes) {
    const std::string suffix = std::to_string(size);
    file.Add("model.layers.0.e4m3_" + suffix, "F8_E4M3", {size}, FakeE4M3(size, ++seed));
    file.Add("model.layers.1.e5m2_" + suffix, "F8_E5M2", {size}, FakeE5M2(size, ++seed));
  }
  for (const char* dtype : {"F8_E4M3", "F8_E5M2"}) {
    const std::string prefix = std::string("model.layers.2.") + dtype;
    file.Add(prefix + ".all_bytes", dtype, {100'003}, EachByte(100'003));
    file.Add(prefix + ".one_symbol", dtype, {100'003}, std::string(100'003, '\x38'));
    file.Add(prefix + ".noise", dtype, {100'003}, NoiseBytes(100'003, 5));
    file.Add(prefix + ".nan", dtype, {3, 333}, std::string(999, '\xFF'));
  }
  file.Add("model.layers.3.noise", "F8_E4M3", {70'001}, NoiseBytes(70'001, 6));
  return file;
}

PlainFile AwkwardOthers() {
  PlainFile file;
  file.Add("odd.flags", "BOOL", {7}, std::string(7, '\1'));  // what follows is not aligned
  file.Add("odd.counts", "I64", {3, 5}, NoiseBytes(120, 7));
  file.Add("odd.norm", "BF16", {33}, NoiseBytes(66, 8));
  file.Add("odd.scale", "F32", {}, NoiseBytes(4, 9));
  file.Add("odd.empty", "F64", {4, 0, 2}, "");
  file.Add("odd.e4m3", "F8_E4M3", {7, 11, 13}, FakeE4M3(1001, 10));
  file.Add("model.layers.0.norm", "F32", {77, 33}, NoiseBytes(77 * 33 * 4, 11));
  file.Add("odd.bytes", "U8", {1'500'001}, NoiseBytes(1'500'001, 12));
  return file;
}

}  // namespace

PlainFile& PlainFile::Add(std::string_view name, std::string_view dtype,
                          const std::vector<uint64_t>& shape, std::string_view bytes) {
  std::string dimensions;
  for (const uint64_t dimension : shape) {
    absl::StrAppend(&dimensions, dimensions.empty() ? "" : ",", dimension);
  }
  absl::StrAppend(&entries_, entries_.empty() ? "" : ",", "\"", std::string(name),
                  "\":{\"dtype\":\"", std::string(dtype), "\",\"shape\":[", dimensions,
                  "],\"data_offsets\":[", data_.size(), ",", data_.size() + bytes.size(), "]}");
  data_ += bytes;
  names_.emplace_back(name);
  return *this;
}

PlainFile& PlainFile::Metadata(std::string_view json) {
  absl::StrAppend(&entries_, entries_.empty() ? "" : ",", "\"__metadata__\":", std::string(json));
  return *this;
}

std::string PlainFile::Bytes() const { return SafetensorsBytes("{" + entries_ + "}  ", data_); }

std::string FakeE4M3(size_t count, uint32_t seed) { return FakeFp8(count, 4, seed); }
std::string FakeE5M2(size_t count, uint32_t seed) { return FakeFp8(count, 5, seed); }

std::string NoiseBytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void WriteShards(const std::string& directory, const std::map<std::string, PlainFile>& files) {
  std::string index = "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {";
  const char* separator = "";
  for (const auto& [name, file] : files) {
    WriteFile(absl::StrCat(directory, "/", name), file.Bytes());
    for (const std::string& tensor : file.names()) {
      absl::StrAppend(&index, separator, "\"", tensor, "\": \"", name, "\"");
      separator = ", ";
    }
  }
  if (files.size() > 1) WriteFile(directory + "/model.safetensors.index.json", index + "}}\n");
}

void WriteAwkwardModel(const std::string& directory) {
  WriteShards(directory, {{"model-00001-of-00002.safetensors", AwkwardFp8()},
                          {"model-00002-of-00002.safetensors", AwkwardOthers()}});
  WriteFile(
      directory + "/config.json",
      "{\"model_type\":\"x\",  \"quantization_config\":{\"quant_method\":\"fp8\"},\"z\":1.50}");
  WriteFile(directory + "/empty.txt", "");
  WriteFile(directory + "/a/b c/tokenizer.bin", NoiseBytes(1'100'000, 13));
  WriteFile(directory + "/a/stray.safetensors", "not one");
  WriteFile(directory + "/stray.safetensors", PlainFile().Add("s", "U8", {3}, "abc").Bytes());
}

void WriteTinyModel(const std::string& directory) {
  PlainFile first;
  first.Add("model.embed_tokens.weight", "BF16", {16, 64}, NoiseBytes(2048, 1));
  first.Add("model.layers.0.q_proj.weight", "F8_E4M3", {65, 129}, FakeE4M3(8385, 2));
  first.Add("model.layers.0.q_proj.weight_scale_inv", "F32", {1, 2}, NoiseBytes(8, 3));
  first.Add("model.layers.0.noise", "F8_E4M3", {4099}, NoiseBytes(4099, 4));
  PlainFile second;
  second.Add("model.layers.1.q_proj.weight", "F8_E4M3", {9001}, FakeE4M3(9001, 5));
  second.Add("model.layers.1.k_proj.weight", "F8_E5M2", {96, 64}, FakeE5M2(6144, 6));
  second.Add("model.layers.1.norm.weight", "BF16", {3}, NoiseBytes(6, 7));
  second.Add("model.layers.1.empty", "F32", {0}, "");
  WriteShards(directory, {{"model-00001-of-00002.safetensors", first},
                          {"model-00002-of-00002.safetensors", second}});
  WriteFile(directory + "/config.json", "{\"model_type\": \"llama\"}\n");
  WriteFile(directory + "/tokenizer/tokenizer.json", NoiseBytes(3000, 8));
}

std::map<std::string, std::string> ReadTree(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    files[path.substr(directory.size() + 1)] = ReadFile(path);
  }
  return files;
}

void ExpectSameFiles(const std::string& actual, const std::string& expected) {
  const auto actual_files = ReadTree(actual);
  const auto expected_files = ReadTree(expected);
  for (const auto& [path, bytes] : expected_files) {
    const auto file = actual_files.find(path);
    if (file == actual_files.end()) {
      ADD_FAILURE() << path << " is missing in " << actual;
    } else {
      EXPECT_TRUE(file->second == bytes) << path << " differs";
    }
  }
  EXPECT_EQ(actual_files.size(), expected_files.size());
}

}  // namespace ecf8::testing
