#include "loader/engine/held_unit.h"

#include <cassert>
#include <cstring>

#include "loader/engine/stored_bytes.h"

namespace ecf8 {

HeldUnit::HeldUnit(UnitRequest request, std::shared_ptr<const CompressedModel> model,
                   std::shared_ptr<const std::vector<UnitPart>> parts)
    : request_(std::move(request)), model_(std::move(model)), parts_(std::move(parts)) {}

absl::Status HeldUnit::status() const {
  MutexLock lock(mutex_);
  if (!failure_) return absl::OkStatus();
  return WithErrorInfo(absl::Status(failure_->code, failure_->message), failure_->info);
}

bool HeldUnit::CopyPart(size_t part, uint8_t* out) {
  assert(part < ready_parts());
  Use idle = Use::kIdle;
  if (!use_.compare_exchange_strong(idle, Use::kInUse, std::memory_order_acquire)) return false;
  used_.store(true, std::memory_order_relaxed);
  const UnitPart& wanted = (*parts_)[part];
  if (request_.form == UnitForm::kStored) {
    const auto bytes =
        SliceOf(*stored_, wanted.stored_offset_bytes, wanted.stored_size_bytes, &scratch_);
    std::memcpy(out, bytes.data(), bytes.size());
  } else {
    std::memcpy(out, slot_ + wanted.decoded_offset_bytes, wanted.decoded_size_bytes);
  }
  use_.store(Use::kIdle, std::memory_order_release);
  return true;
}

absl::Span<const uint8_t> HeldUnit::decoded() const {
  assert(ready() && !request_.revocable && request_.form == UnitForm::kDecoded);
  return {slot_, unit().decoded_size_bytes};
}

void HeldUnit::Begin(const Extents* stored, uint8_t* slot) {
  stored_ = stored;
  slot_ = slot;
  begun_.store(true, std::memory_order_release);
}

void HeldUnit::Fail(const absl::Status& status) {
  Failure failure{.code = status.code(),
                  .message = std::string(status.message()),
                  .info = GetErrorInfo(status).value_or(ErrorInfo{})};
  MutexLock lock(mutex_);
  failure_ = std::move(failure);
}

bool HeldUnit::TryRevoke() {
  Use idle = Use::kIdle;
  return use_.compare_exchange_strong(idle, Use::kRevoked, std::memory_order_acquire);
}

}  // namespace ecf8
