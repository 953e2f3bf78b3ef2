// Any bytes as the messages of a recording: refused, or models and accesses as a trace holds them.
// A message is two bytes of length, little-endian, and so many bytes of a RecordAccessesResponse.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "decoder/endian.h"
#include "google/protobuf/stubs/logging.h"
#include "rpc/recording_checker.h"

namespace {

class CheckingSink final : public ecf8::RecordingSink {
 public:
  absl::Status Begin(const std::vector<ecf8::TraceModel>& models,
                     const std::vector<std::string>& names) override {
    if (begun_ || models.size() != names.size()) abort();
    if (models.empty() || models.size() > ecf8::kMaxTraceModels) abort();
    begun_ = true;
    for (const ecf8::TraceModel& model : models) unit_counts_.push_back(model.units.size());
    return absl::OkStatus();
  }
  absl::Status Add(absl::Span<const ecf8::TraceRecord> records, uint64_t /*lost*/) override {
    if (!begun_) abort();
    for (const ecf8::TraceRecord& record : records) {
      if (record.model >= unit_counts_.size() || record.unit >= unit_counts_[record.model] ||
          record.access > ecf8::Access::kPreload) {
        abort();
      }
    }
    return absl::OkStatus();
  }

 private:
  bool begun_ = false;
  std::vector<size_t> unit_counts_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  CheckingSink sink;
  ecf8::RecordingChecker checker(sink);
  ecf8::v1::RecordAccessesResponse message;
  while (size >= 2) {
    const size_t length = std::min<size_t>(ecf8::LoadLe16(data), size - 2);
    if (!message.ParseFromArray(data + 2, static_cast<int>(length))) return 0;
    if (!checker.Accept(message).ok()) return 0;
    data += 2 + length;
    size -= 2 + length;
  }
  return 0;
}
