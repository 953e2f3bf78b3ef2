// A small model of several units, plain and compressed, for tests that need a real one.
#ifndef ECF8_TESTS_SUPPORT_SMALL_MODEL_H_
#define ECF8_TESTS_SUPPORT_SMALL_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "loader/model/compressed_model.h"

namespace ecf8::testing {

struct SmallModelOptions {
  int layers = 2;
  // Weights of a layer's projection, of which a row has 1024: by default not quite two chunks.
  uint64_t projection_rows = 2000;
  int experts = 0;            // of each layer, besides
  uint64_t expert_rows = 16;  // of each, of 1024 weights
  // A compressed one begins another shard after so many raw bytes; by default it has one.
  uint64_t shard_size_bytes = 5'000'000'000;
};

// The bytes of every tensor, by name.
using TensorBytes = std::map<std::string, std::string>;

// Writes a plain Llama-like model into `directory`: BF16 embedding, and for each layer an E4M3
// projection, its F32 scales, a BF16 norm, an empty tensor and its experts, of one E4M3 projection
// each; an E5M2 head. Returns its tensors.
TensorBytes WritePlainModel(const std::string& directory, const SmallModelOptions& options = {});

// Writes one to `<parent>/<name>.plain`, compresses it to `<parent>/<name>`, and returns its
// tensors. Fails the test where that does not work.
TensorBytes MakeCompressedModel(const std::string& parent, const std::string& name,
                                const SmallModelOptions& options = {});

// Opens a compressed model; fails the test where that does not work.
std::shared_ptr<const CompressedModel> OpenModel(const std::string& directory);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_SMALL_MODEL_H_
