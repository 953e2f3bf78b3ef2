#include "loader/engine/held_unit.h"

#include <algorithm>
#include <cassert>

#include "loader/engine/stored_bytes.h"
#include "loader/engine/unit_errors.h"

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
  const absl::Status status = ReadPart((*parts_)[part], out);
  use_.store(Use::kIdle, std::memory_order_release);
  if (!status.ok()) Fail(SlotReadFailure(*model_, unit(), status));
  return status.ok();
}

absl::Status HeldUnit::ReadPart(const UnitPart& part, uint8_t* out) {
  switch (request_.form) {
    case UnitForm::kStored:
      break;
    case UnitForm::kDecoded:
      return device_->ReadSlot(slot_dev_ + part.decoded_offset_bytes,
                               {out, part.decoded_size_bytes});
    case UnitForm::kStoredInSlot:
      return device_->ReadSlot(slot_dev_ + part.stored_offset_bytes, {out, part.stored_size_bytes});
  }
  const auto bytes = SliceOf(*stored_, part.stored_offset_bytes, part.stored_size_bytes, &scratch_);
  std::copy_n(bytes.begin(), bytes.size(), out);
  return absl::OkStatus();
}

absl::Span<const uint8_t> HeldUnit::slot_dev() const {
  assert(ready() && !request_.revocable && request_.form != UnitForm::kStored);
  return {slot_dev_, SizeIn(request_.form, unit())};
}

void HeldUnit::Begin(const Extents* stored, uint8_t* slot_dev, Device* device) {
  stored_ = stored;
  slot_dev_ = slot_dev;
  device_ = device;
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
