// The sizes of a compressed model, and what they mean a weight.
#ifndef ECF8_LOADER_MODEL_SUMMARY_H_
#define ECF8_LOADER_MODEL_SUMMARY_H_

#include <cstdint>

#include "loader/model/compressed_model.h"

namespace ecf8 {

struct ModelSummary {
  uint64_t raw_bytes = 0;     // of all files of the original
  uint64_t stored_bytes = 0;  // of all files of the directory

  uint64_t fp8_weights = 0;    // of all tensors of FP8
  uint64_t coded_weights = 0;  // of those that are stored coded
  // What the tensors of FP8 take, over their weights: their chunks, the tables of their units,
  // their and their units' entries in the manifest, and all padding in and after their units.
  double bits_per_fp8_weight = 0;

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
