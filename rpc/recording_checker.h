// What RecordAccesses sends, checked before anything is made of it.
#ifndef ECF8_RPC_RECORDING_CHECKER_H_
#define ECF8_RPC_RECORDING_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ecf8/v1/recording.pb.h"
#include "loader/cache/trace.h"

namespace ecf8 {

class RecordingSink {
 public:
  virtual ~RecordingSink() = default;

  // Once, first. `names` are the models' in order.
  virtual absl::Status Begin(const std::vector<TraceModel>& models,
                             const std::vector<std::string>& names) = 0;

  // Every record names a unit of the models. `lost` accesses before these are not told.
  virtual absl::Status Add(absl::Span<const TraceRecord> records, uint64_t lost) = 0;
};

// Thread-compatible.
class RecordingChecker {
 public:
  // Units of all models.
  static constexpr size_t kMaxUnits = size_t{1} << 22;

  explicit RecordingChecker(RecordingSink& sink) : sink_(sink) {}

  // The next message. DATA_LOSS where it is not as recording.proto says; INVALID_ARGUMENT for more
  // models than a trace holds; the sink's errors.
  absl::Status Accept(const v1::RecordAccessesResponse& message);

  bool begun() const { return begun_; }
  // All accesses up to then have been told; 0 before there are any. Since the recording's start.
  uint64_t time_us() const { return time_us_; }

 private:
  absl::Status AddModels(const v1::RecordAccessesResponse& message);
  absl::Status AddUnits(const v1::RecordAccessesResponse& message);
  absl::Status AddAccesses(const v1::RecordAccessesResponse& message);

  RecordingSink& sink_;
  bool has_models_ = false;
  bool begun_ = false;
  std::vector<TraceModel> models_;
  std::vector<std::string> names_;
  std::vector<uint32_t> unit_counts_;  // that were announced
  size_t next_model_ = 0;              // that is still to get units
  std::vector<TraceRecord> records_;   // of one message
  uint64_t time_us_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_RPC_RECORDING_CHECKER_H_
