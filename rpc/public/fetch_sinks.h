// Where a fetch of the library's users goes.
#ifndef ECF8_RPC_PUBLIC_FETCH_SINKS_H_
#define ECF8_RPC_PUBLIC_FETCH_SINKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/fetch.h"
#include "rpc/fetch_checker.h"

namespace ecf8 {

// To callbacks. `request` and `callbacks` outlive it.
class CallbackSink final : public FetchSink {
 public:
  CallbackSink(const FetchRequest& request, const FetchCallbacks& callbacks);

  absl::Status UnitBegin(const v1::Unit& unit) override;
  absl::Status UnitData(uint64_t offset_bytes, std::string_view data) override;
  absl::Status TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                           absl::Span<const uint8_t> bytes) override;
  absl::Status UnitEnd() override;

  // Something was delivered: from here on the fetch cannot begin again.
  bool begun() const { return begun_; }

 private:
  absl::Status Deliver(uint64_t offset_bytes, absl::Span<const uint8_t> bytes);

  const bool decodes_;  // what travels is not what is delivered
  const FetchCallbacks& callbacks_;
  UnitInfo unit_;
  bool begun_ = false;
};

// Memory for the `number`th of what was asked for, the units first, then the tensors, whole and
// decoded: of just `size_bytes`, as long as the fetch goes on. The parts of a tensor each ask.
using FindTarget =
    std::function<absl::StatusOr<absl::Span<uint8_t>>(size_t number, uint64_t size_bytes)>;

// To memory. `request` outlives it, and wants units, or tensors decoded.
class PlacingSink final : public FetchSink {
 public:
  PlacingSink(const FetchRequest& request, FindTarget find_target);

  absl::Status UnitBegin(const v1::Unit& unit) override;
  absl::Status UnitData(uint64_t offset_bytes, std::string_view data) override;
  absl::Status TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                           absl::Span<const uint8_t> bytes) override;
  absl::Status UnitEnd() override;

  // The last that began.
  UnitInfo& unit() { return unit_; }

 private:
  // The next bytes of the current unit; zeros where some are left out.
  void Put(uint64_t offset_bytes, absl::Span<const uint8_t> bytes);

  const FetchRequest& request_;
  const bool decodes_;
  const FindTarget find_target_;
  std::unordered_map<std::string_view, size_t> tensor_numbers_;
  std::unordered_map<std::string_view, absl::Span<uint8_t>> tensor_targets_;
  size_t unit_count_ = 0;  // begun
  UnitInfo unit_;
  bool is_whole_ = false;  // the current one was asked for as a unit
  absl::Span<uint8_t> target_;
  uint64_t filled_bytes_ = 0;  // of it
};

}  // namespace ecf8

#endif  // ECF8_RPC_PUBLIC_FETCH_SINKS_H_
