// Plain models for tests: safetensors directories written by hand, independent of the code under
// test.
#ifndef ECF8_TESTS_SUPPORT_TEST_MODEL_H_
#define ECF8_TESTS_SUPPORT_TEST_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ecf8::testing {

// One .safetensors file. Names need no escapes.
class PlainFile {
 public:
  // Adds a tensor behind the others; `bytes` has the size of dtype and shape.
  PlainFile& Add(std::string_view name, std::string_view dtype, const std::vector<uint64_t>& shape,
                 std::string_view bytes);

  // `json` stands in the header as `__metadata__`.
  PlainFile& Metadata(std::string_view json);

  std::string Bytes() const;
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::string entries_;
  std::string data_;
  std::vector<std::string> names_;
};

// FP8 bytes whose exponents cluster as trained weights' do. The same everywhere.
std::string FakeE4M3(size_t count, uint32_t seed);
std::string FakeE5M2(size_t count, uint32_t seed);
std::string NoiseBytes(size_t count, uint32_t seed);

// Writes `files` by name, and the index that lists them where there are several.
void WriteShards(const std::string& directory, const std::map<std::string, PlainFile>& files);

// A model of two shards with an index, config.json with a quantization_config, further files in
// subdirectories, and every awkward tensor: all sizes around groups, tiles and chunks, all byte
// values, one symbol, noise, E5M2, other dtypes beside them, odd shapes, no elements.
void WriteAwkwardModel(const std::string& directory);

// Two layers, a config, a tokenizer; some tens of KB that hold everything that a directory can
// hold.
void WriteTinyModel(const std::string& directory);

// Fails the test where the directories do not hold the same files with the same bytes.
void ExpectSameFiles(const std::string& actual, const std::string& expected);

// Relative paths of all files, with their bytes.
std::map<std::string, std::string> ReadTree(const std::string& directory);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_TEST_MODEL_H_
