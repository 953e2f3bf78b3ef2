// The sizes of a compressed model, and what they mean a weight.
#ifndef ECF8_LOADER_MODEL_SUMMARY_H_
#define ECF8_LOADER_MODEL_SUMMARY_H_

#include <cstdint>
#include <vector>

#include "loader/model/compressed_model.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// What the tensors of FP8 in some units take.
struct Fp8Sizes {
  uint64_t weights = 0;
  uint64_t coded_weights = 0;  // of those that are stored coded

  uint64_t chunk_bytes = 0;
  uint64_t tables_bytes = 0;    // of their units
  uint64_t padding_bytes = 0;   // all in and after their units
  uint64_t manifest_bytes = 0;  // their and their units' entries

  // Everything counted.
  uint64_t bytes() const { return chunk_bytes + tables_bytes + padding_bytes + manifest_bytes; }
};

// `units` are the first of a shard, of which the next, or else the manifest, begins at `end_bytes`.
Fp8Sizes SumFp8Sizes(const std::vector<Unit>& units, uint64_t end_bytes);

struct ModelSummary {
  uint64_t raw_bytes = 0;     // of all files of the original
  uint64_t stored_bytes = 0;  // of all files of the directory

  Fp8Sizes fp8;
  double bits_per_fp8_weight = 0;  // everything counted

  uint64_t header_bytes = 0;     // of the shards' safetensors headers
  uint64_t manifest_bytes = 0;   // of the manifests, kept originals included
  uint64_t originals_bytes = 0;  // of the kept originals, as kept
  uint64_t tables_bytes = 0;
  uint64_t chunk_bytes = 0;
  uint64_t padding_bytes = 0;  // zero bytes in and between units
  uint64_t other_file_bytes = 0;

  uint32_t shard_count = 0;
  uint32_t unit_count = 0;
  uint32_t tensor_count = 0;

  double ratio() const {
    return raw_bytes == 0 ? 0 : static_cast<double>(stored_bytes) / static_cast<double>(raw_bytes);
  }
};

ModelSummary Summarize(const CompressedModel& model);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SUMMARY_H_
