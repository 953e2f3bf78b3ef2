// The safetensors header of a shard: a cover of its data that stock tools can read.
// docs/FORMAT.md, section 3.
#ifndef ECF8_LOADER_MODEL_SHARD_LAYOUT_H_
#define ECF8_LOADER_MODEL_SHARD_LAYOUT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/checkpoint/unit_plan.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// A range of zero bytes, in the file.
struct Gap {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// The bytes from `data_offset` to `manifest_offset` that are no table and no chunk of any unit.
std::vector<Gap> FindGaps(const std::vector<Unit>& units, uint64_t data_offset,
                          uint64_t manifest_offset);

// What the header of a shard must say: an entry for every byte from `data_offset`, where the data
// begin, to the end of the manifest. The units must have passed CheckManifest or come from a plan.
std::vector<SafetensorsTensor> ShardCover(const std::vector<Unit>& units, uint64_t data_offset,
                                          uint64_t manifest_offset, uint64_t manifest_size_bytes);

using SafetensorsMetadata = std::map<std::string, std::string>;

// The size, a multiple of 4096, of a header with its length that is enough for the planned units
// however well they compress. INVALID_ARGUMENT where safetensors has no room for so many names.
// `tensors` are those that the plan was made from.
absl::StatusOr<uint64_t> ReserveHeaderBytes(const std::vector<PlannedUnit>& units,
                                            absl::Span<const PlanTensor> tensors,
                                            const SafetensorsMetadata& metadata);

// The 8 + N bytes for `cover`, padded with spaces to just `header_size_bytes`.
absl::StatusOr<std::string> BuildShardHeader(const std::vector<SafetensorsTensor>& cover,
                                             const SafetensorsMetadata& metadata,
                                             uint64_t header_size_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SHARD_LAYOUT_H_
