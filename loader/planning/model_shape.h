// What of a model there is to hold and to move, as far as its speed depends on it.
#ifndef ECF8_LOADER_PLANNING_MODEL_SHAPE_H_
#define ECF8_LOADER_PLANNING_MODEL_SHAPE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// Some of a model's weights.
struct PartShape {
  uint64_t coded_weights = 0;  // FP8: a byte each, decoded
  uint64_t plain_bytes = 0;    // what is beside them, stored as it is: scales, norms, BF16

  uint64_t decoded_bytes() const { return coded_weights + plain_bytes; }
  double StoredBytes(double bits_per_weight) const {
    return static_cast<double>(coded_weights) * bits_per_weight / 8 +
           static_cast<double>(plain_bytes);
  }
  // Sums and products are no larger than kMost, so that a few of them together are right.
  static constexpr uint64_t kMost = uint64_t{1} << 58;
  PartShape& operator+=(const PartShape& other) {
    coded_weights = std::min(coded_weights + other.coded_weights, kMost);
    plain_bytes = std::min(plain_bytes + other.plain_bytes, kMost);
    return *this;
  }
  PartShape Times(uint64_t count) const {
    const auto times = [count](uint64_t value) {
      return value > 0 && count > kMost / value ? kMost : value * count;
    };
    return {times(coded_weights), times(plain_bytes)};
  }
  bool operator==(const PartShape&) const = default;
};

struct ModelShape {
  std::string name;
  PartShape lookup;       // embeddings, of which a token takes a row
  PartShape every_token;  // all else that every token uses: layers without routed experts, head
  PartShape next_token;   // multi-token prediction: stored, and not used without speculation
  uint32_t layers = 0;
  uint32_t expert_layers = 0;  // of these
  uint32_t experts = 0;        // routed, of one of them; 0: a dense model
  uint32_t experts_per_token = 0;
  PartShape expert;                // each
  uint64_t cache_token_bytes = 0;  // of the key-value cache in BF16, a token of context
  double bits_per_weight = 6.69;   // stored, of an FP8 weight: what this project's models have

  PartShape all_experts() const { return expert.Times(uint64_t{expert_layers} * experts); }
  uint64_t decoded_bytes() const {
    return lookup.decoded_bytes() + every_token.decoded_bytes() + next_token.decoded_bytes() +
           all_experts().decoded_bytes();
  }
  double stored_bytes() const {
    return lookup.StoredBytes(bits_per_weight) + every_token.StoredBytes(bits_per_weight) +
           next_token.StoredBytes(bits_per_weight) + all_experts().StoredBytes(bits_per_weight);
  }
};

// From a Hugging Face config.json of the Llama, Mistral, Qwen2, Qwen3, Qwen3-MoE or DeepSeek-V3
// families, as its weights would be in FP8 with a scale for each block of 128 x 128: projections
// and experts FP8, the rest BF16. INVALID_ARGUMENT for what is no such file, or has sizes that no
// model has; UNIMPLEMENTED for another family.
absl::StatusOr<ModelShape> ShapeOfConfig(std::string_view config);

// The same with what the compressed model really holds. `config` is its config.json; may be empty
// where no unit is an expert.
absl::StatusOr<ModelShape> ShapeOfModel(const CompressedModel& model, std::string_view config);

}  // namespace ecf8

#endif  // ECF8_LOADER_PLANNING_MODEL_SHAPE_H_
