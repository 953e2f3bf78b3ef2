#include "rpc/public/fetch_sinks.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "decoder/status_macros.h"
#include "rpc/public/convert.h"
#include "rpc/unit_check.h"

namespace ecf8 {
namespace {

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

bool Decodes(const FetchRequest& request) {
  return request.decode_here && request.form == Form::kDecoded;
}

// Where a part's bytes lie in its decoded unit; `offset_bytes` is in the whole tensor.
uint64_t OffsetInUnit(const v1::Tensor& tensor, uint64_t offset_bytes) {
  return tensor.decoded_offset_bytes() + (offset_bytes - tensor.tensor_offset_bytes());
}

}  // namespace

CallbackSink::CallbackSink(const FetchRequest& request, const FetchCallbacks& callbacks)
    : decodes_(Decodes(request)), callbacks_(callbacks) {}

absl::Status CallbackSink::UnitBegin(const v1::Unit& unit) {
  begun_ = true;
  unit_ = ToUnitInfo(unit);
  return callbacks_.on_begin ? callbacks_.on_begin(unit_) : absl::OkStatus();
}

absl::Status CallbackSink::Deliver(uint64_t offset_bytes, absl::Span<const uint8_t> bytes) {
  return callbacks_.on_bytes ? callbacks_.on_bytes(unit_, offset_bytes, bytes) : absl::OkStatus();
}

absl::Status CallbackSink::UnitData(uint64_t offset_bytes, std::string_view data) {
  return decodes_ ? absl::OkStatus() : Deliver(offset_bytes, AsBytes(data));
}

absl::Status CallbackSink::TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                                       absl::Span<const uint8_t> bytes) {
  return decodes_ ? Deliver(OffsetInUnit(tensor, offset_bytes), bytes) : absl::OkStatus();
}

absl::Status CallbackSink::UnitEnd() {
  return callbacks_.on_end ? callbacks_.on_end(unit_) : absl::OkStatus();
}

PlacingSink::PlacingSink(const FetchRequest& request, FindTarget find_target)
    : request_(request), decodes_(Decodes(request)), find_target_(std::move(find_target)) {
  size_t number = request.units.size();
  for (const std::string& tensor : request.tensors) tensor_numbers_.emplace(tensor, number++);
}

absl::Status PlacingSink::UnitBegin(const v1::Unit& unit) {
  unit_ = ToUnitInfo(unit);
  const size_t number = unit_count_++;
  is_whole_ = number < request_.units.size();
  if (is_whole_) {
    filled_bytes_ = 0;
    ECF8_ASSIGN_OR_RETURN(target_, find_target_(number, unit_.size_bytes(request_.form)));
    return absl::OkStatus();
  }
  tensor_targets_.clear();
  for (const v1::Tensor& tensor : unit.tensors()) {
    // The checker has seen that it was asked for.
    ECF8_ASSIGN_OR_RETURN(
        tensor_targets_[tensor.name()],
        find_target_(tensor_numbers_.at(tensor.name()), WholeTensorBytes(tensor)));
  }
  return absl::OkStatus();
}

void PlacingSink::Put(uint64_t offset_bytes, absl::Span<const uint8_t> bytes) {
  assert(offset_bytes >= filled_bytes_ && offset_bytes + bytes.size() <= target_.size());
  std::fill(target_.begin() + filled_bytes_, target_.begin() + offset_bytes, uint8_t{0});
  std::copy(bytes.begin(), bytes.end(), target_.begin() + offset_bytes);
  filled_bytes_ = offset_bytes + bytes.size();
}

absl::Status PlacingSink::UnitData(uint64_t offset_bytes, std::string_view data) {
  if (is_whole_ && !decodes_) Put(offset_bytes, AsBytes(data));
  return absl::OkStatus();
}

absl::Status PlacingSink::TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                                      absl::Span<const uint8_t> bytes) {
  if (is_whole_) {
    if (decodes_) Put(OffsetInUnit(tensor, offset_bytes), bytes);
    return absl::OkStatus();
  }
  const absl::Span<uint8_t> target = tensor_targets_.at(tensor.name());
  assert(offset_bytes + bytes.size() <= target.size());
  std::copy(bytes.begin(), bytes.end(), target.begin() + offset_bytes);
  return absl::OkStatus();
}

absl::Status PlacingSink::UnitEnd() {
  if (is_whole_) Put(target_.size(), {});
  return absl::OkStatus();
}

}  // namespace ecf8
