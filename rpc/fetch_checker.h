// The client's side of the Fetch contract: every message in its place, every byte checked.
#ifndef ECF8_RPC_FETCH_CHECKER_H_
#define ECF8_RPC_FETCH_CHECKER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "absl/status/status.h"
#include "ecf8/v1/weights.pb.h"
#include "rpc/fetch_message.h"
#include "rpc/payload_check.h"

namespace ecf8 {

// Takes what a fetch brings. An error from it ends the fetch and is its result.
class FetchSink {
 public:
  virtual ~FetchSink() = default;

  // `unit` has been checked (CheckUnit); it stays valid until UnitEnd.
  virtual absl::Status UnitBegin(const v1::Unit& unit) = 0;
  // In order of offset, in pieces as they come. That a checksum holds for them is known at UnitEnd.
  virtual absl::Status UnitData(uint64_t offset_bytes, std::string_view data) = 0;
  // Decoded bytes of a tensor of the unit, in order: where decoded ones were fetched, or stored
  // ones are decoded here. `offset_bytes` is in the whole tensor.
  virtual absl::Status TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                                   absl::Span<const uint8_t> bytes) {
    static_cast<void>(tensor);
    static_cast<void>(offset_bytes);
    static_cast<void>(bytes);
    return absl::OkStatus();
  }
  // Everything of the unit has arrived and been checked.
  virtual absl::Status UnitEnd() = 0;
};

// Thread-compatible.
class FetchChecker {
 public:
  // `request` and `sink` must outlive the checker. `model_unit_count` is looked at when the request
  // is for the whole model. `decode`: also decode stored bytes, and check the result.
  FetchChecker(const v1::FetchRequest& request, uint32_t model_unit_count, bool decode,
               FetchSink& sink);

  // DATA_LOSS where the daemon breaks the contract, or the sink's error.
  absl::Status Accept(const ReceivedMessage& message);

  // To be called when the stream has ended with OK: whether all that was asked for has come.
  absl::Status Finish() const;

 private:
  absl::Status Begin(const v1::UnitBegin& begin);
  absl::Status Data(const ReceivedMessage& data);
  // Of data that nothing else is known of.
  absl::Status CheckMessage(const ReceivedMessage& data) const;
  absl::Status End(const v1::UnitEnd& end);
  absl::Status CheckIsWanted(const v1::Unit& unit);

  const v1::FetchRequest& request_;
  const uint32_t model_unit_count_;
  const bool decode_;
  FetchSink& sink_;

  std::unordered_map<std::string_view, uint64_t> tensor_bytes_;  // wanted by name; what has come
  std::unordered_map<std::string_view, uint64_t> tensor_sizes_;  // of those that began to come
  std::unordered_set<std::string> seen_units_;
  uint32_t unit_count_ = 0;  // begun
  std::optional<v1::Unit> unit_;
  std::unique_ptr<PayloadCheck> payload_;
  uint64_t data_bytes_ = 0;  // of the unit
};

}  // namespace ecf8

#endif  // ECF8_RPC_FETCH_CHECKER_H_
