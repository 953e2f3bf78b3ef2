// A fetch whose bytes are those of the checkpoint, or which ends with INTERNAL.
#ifndef ECF8_TESTS_RPC_COMPARING_SINK_H_
#define ECF8_TESTS_RPC_COMPARING_SINK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rpc/fetch_checker.h"
#include "tests/support/small_model.h"

namespace ecf8::testing {

// OK where `bytes` are what the tensor `name` holds from `offset_bytes` on.
inline absl::Status CompareTensor(const TensorBytes& expected, const std::string& name,
                                  uint64_t offset_bytes, absl::Span<const uint8_t> bytes) {
  const std::string_view got(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto whole = expected.find(name);
  if (whole != expected.end() && offset_bytes <= whole->second.size() &&
      whole->second.compare(offset_bytes, got.size(), got) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("wrong bytes of ", name));
}

class ComparingSink final : public FetchSink {
 public:
  // `expected` outlives the sink.
  explicit ComparingSink(const ::ecf8::testing::TensorBytes& expected) : expected_(expected) {}

  absl::Status UnitBegin(const v1::Unit& /*unit*/) override { return absl::OkStatus(); }
  absl::Status UnitData(uint64_t /*offset_bytes*/, std::string_view /*data*/) override {
    return absl::OkStatus();
  }
  absl::Status TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                           absl::Span<const uint8_t> bytes) override {
    compared_bytes_ += bytes.size();
    return CompareTensor(expected_, tensor.name(), offset_bytes, bytes);
  }
  absl::Status UnitEnd() override { return absl::OkStatus(); }

  uint64_t compared_bytes() const { return compared_bytes_; }

 private:
  const ::ecf8::testing::TensorBytes& expected_;
  uint64_t compared_bytes_ = 0;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_COMPARING_SINK_H_
