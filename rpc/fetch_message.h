// FetchResponse messages as they travel: the bytes that proto/ecf8/v1/weights.proto says, but with
// data that lies where it is. The generated code would copy every byte on either side.
#ifndef ECF8_RPC_FETCH_MESSAGE_H_
#define ECF8_RPC_FETCH_MESSAGE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ecf8/v1/weights.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"

namespace ecf8 {

// A message with `data`, which it shares.
grpc::ByteBuffer DataMessage(uint64_t offset_bytes, uint64_t xxh3, const grpc::Slice& data);

// Any other one.
grpc::ByteBuffer PlainMessage(const v1::FetchResponse& message);

// A message that has come. Movable; thread-compatible.
class ReceivedMessage {
 public:
  // In place of what it was. DATA_LOSS for bytes that are no FetchResponse.
  absl::Status Parse(const grpc::ByteBuffer& buffer);

  bool is_data() const { return is_data_; }

  // Where it is data: as of UnitData. The pieces, in order, are valid until the next Parse.
  uint64_t offset_bytes() const { return offset_bytes_; }
  uint64_t xxh3() const { return xxh3_; }
  absl::Span<const std::string_view> data() const { return data_; }

  // Else.
  const v1::FetchResponse& plain() const { return plain_; }

 private:
  // False where it is not data as DataMessage writes it, which is the common case and not the only
  // one: anybody's serialisation is right.
  bool ParseData();

  std::vector<grpc::Slice> slices_;
  bool is_data_ = false;
  uint64_t offset_bytes_ = 0;
  uint64_t xxh3_ = 0;
  std::vector<std::string_view> data_;
  v1::FetchResponse plain_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_FETCH_MESSAGE_H_
