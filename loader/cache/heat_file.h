// What a policy has learned of a model's experts, kept over restarts of the daemon in a small file.
//
// Little-endian, version 1:
//
//    8   "ECF8HEA\0"
//    4   version, 1
//    4   number of units, at most 2^20
//    8   digest of the model
//    2   for each unit of the walk: its chance to be used by a pass, times 65535
//    8   XXH3-64 of all before
#ifndef ECF8_LOADER_CACHE_HEAT_FILE_H_
#define ECF8_LOADER_CACHE_HEAT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ecf8 {

inline constexpr size_t kMaxHeatUnits = size_t{1} << 20;

struct ModelHeat {
  uint64_t digest = 0;         // of the model that it was learned from
  std::vector<float> chances;  // by unit of the walk, in [0, 1]; SchedulePolicy::ExportHeat
};

// At most kMaxHeatUnits units; chances outside of [0, 1] are clamped.
std::vector<uint8_t> SerializeHeat(const ModelHeat& heat);

// DATA_LOSS for anything but what SerializeHeat gives, UNIMPLEMENTED for another version.
absl::StatusOr<ModelHeat> ParseHeat(absl::Span<const uint8_t> bytes);

// Replaces `path` in one step. INVALID_ARGUMENT for too many units, else the errors of File.
absl::Status WriteHeat(const std::string& path, const ModelHeat& heat);

// As ParseHeat, and FAILED_PRECONDITION for the heat of another model than the one with `digest`
// and so many units; else the errors of File.
absl::StatusOr<ModelHeat> ReadHeat(const std::string& path, uint64_t digest, size_t unit_count);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_HEAT_FILE_H_
