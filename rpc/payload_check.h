// Checks of the bytes of one unit as they arrive at a client.
#ifndef ECF8_RPC_PAYLOAD_CHECK_H_
#define ECF8_RPC_PAYLOAD_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/v1/weights.pb.h"

namespace ecf8 {

// A run of a unit's bytes that arrives without a gap.
struct Extent {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

// Which extent the next bytes belong to. Extents are ascending, and empty ones are passed over.
class ExtentCursor {
 public:
  explicit ExtentCursor(std::vector<Extent> extents);

  // The number of the extent that [offset, offset + size) continues; DATA_LOSS where these are not
  // the bytes whose turn it is, or reach beyond the extent.
  absl::StatusOr<size_t> Take(uint64_t offset_bytes, uint64_t size_bytes);

  // Whether extent `i` has arrived whole.
  bool Passed(size_t i) const { return i < current_; }
  bool done() const { return current_ == extents_.size(); }

 private:
  void PassComplete();

  std::vector<Extent> extents_;
  size_t current_ = 0;
  uint64_t taken_bytes_ = 0;  // of the current extent
};

class PayloadCheck {
 public:
  virtual ~PayloadCheck() = default;

  // Whether a checksum that the unit's description has is compared for all bytes: then nothing more
  // is to be had from those of the messages.
  virtual bool checks_bytes() const = 0;

  // DATA_LOSS where the bytes are not what the unit's description promises.
  virtual absl::Status Data(uint64_t offset_bytes, std::string_view data) = 0;
  virtual absl::Status End() = 0;
};

// Takes decoded bytes of a tensor, in order; `offset_bytes` is in the whole tensor. An error ends
// the check with it.
using TensorBytesFunction = std::function<absl::Status(
    const v1::Tensor& tensor, uint64_t offset_bytes, absl::Span<const uint8_t> bytes)>;

// `unit` has passed CheckUnit and must outlive the check. Of DECODED bytes every tensor's checksum
// is checked. Of STORED ones the order and the sizes; with `decode`, they are decoded too, in the
// memory of one chunk, and the decoded bytes checked. Where there are decoded bytes,
// `on_tensor_bytes` gets them; the tensor's checksum is known after its last.
std::unique_ptr<PayloadCheck> MakePayloadCheck(const v1::Unit& unit, v1::Form form, bool decode,
                                               TensorBytesFunction on_tensor_bytes);

}  // namespace ecf8

#endif  // ECF8_RPC_PAYLOAD_CHECK_H_
