// What clients asked for, access by access, with the models' unit tables: what the cache simulator
// replays.
//
// A trace file, little-endian, version 1:
//
//   header       8   "ECF8TRC\0"
//                4   version, 1
//                4   number of models, at most 64
//                8   size of the tables in bytes
//                8   XXH3-64 of the tables
//   tables           for each model
//                8     digest: what tells one model from another
//                4     number of units, at most 2^20
//                      for each unit, in walk order
//                8       stored size in bytes
//                8       decoded size in bytes
//                4       layer
//                1       1: an expert, 0: not
//                1       length of the id, 1 to 128
//                        the id
//   records     16   each, to the end of the file
//                8     time in microseconds since the start of the trace
//                4     index of the unit
//                2     index of the model
//                1     0: demand, 1: hint, 2: preload
//                1     0
//
// Records are appended as they happen: a trace that was cut short is good up to its last whole
// record, so that a rest of fewer than 16 bytes is ignored.
#ifndef ECF8_LOADER_CACHE_TRACE_H_
#define ECF8_LOADER_CACHE_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/file.h"
#include "loader/cache/cache_policy.h"

namespace ecf8 {

inline constexpr size_t kMaxTraceModels = 64;
inline constexpr size_t kMaxTraceUnits = size_t{1} << 20;
inline constexpr size_t kMaxTraceIdBytes = 128;
inline constexpr uint64_t kMaxTraceUnitBytes = uint64_t{1} << 40;
inline constexpr uint64_t kMaxTraceFileBytes = uint64_t{1} << 30;

struct TraceUnit {
  std::string id;
  uint64_t stored_size_bytes = 0;
  uint64_t decoded_size_bytes = 0;
  uint32_t layer = 0;
  bool expert = false;

  bool operator==(const TraceUnit&) const = default;
};

struct TraceModel {
  uint64_t digest = 0;
  std::vector<TraceUnit> units;  // in walk order

  bool operator==(const TraceModel&) const = default;
};

struct TraceRecord {
  uint64_t time_us = 0;
  uint32_t unit = 0;
  uint16_t model = 0;
  Access access = Access::kDemand;

  bool operator==(const TraceRecord&) const = default;
};

struct Trace {
  std::vector<TraceModel> models;
  std::vector<TraceRecord> records;

  bool operator==(const Trace&) const = default;
};

// DATA_LOSS for what is no trace or is damaged, UNIMPLEMENTED for another version. What it returns
// keeps all limits above, and every record names a unit that is there.
absl::StatusOr<Trace> ParseTrace(absl::Span<const uint8_t> bytes);

// As ParseTrace, with the errors of File.
absl::StatusOr<Trace> ReadTrace(const std::string& path);

// Appends records to a new file, through a buffer. Thread-compatible.
class TraceWriter {
 public:
  // ALREADY_EXISTS where `path` exists; INVALID_ARGUMENT for models beyond the limits.
  static absl::StatusOr<TraceWriter> Create(const std::string& path,
                                            const std::vector<TraceModel>& models);

  // `record` names a unit of the models. RESOURCE_EXHAUSTED at the size limit of a trace; what is
  // appended until then stays good.
  absl::Status Append(const TraceRecord& record);

  // Writes out what is buffered. More may follow; what is not flushed is lost.
  absl::Status Flush();

 private:
  TraceWriter(File file, std::vector<uint8_t> tables);

  File file_;
  uint64_t offset_bytes_ = 0;    // of the buffer in the file
  std::vector<uint8_t> buffer_;  // not yet written
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_TRACE_H_
