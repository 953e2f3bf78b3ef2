#include "loader/session/own_slots.h"

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/engine/device.h"

namespace ecf8 {

absl::StatusOr<std::shared_ptr<OwnSlots>> OwnSlots::Make(std::unique_ptr<EngineRun> run) {
  std::shared_ptr<OwnSlots> slots(new OwnSlots(std::move(run)));
  const uint64_t pages = slots->size_bytes() / kSlotPageBytes;
  ECF8_RETURN_IF_ERROR(slots->generations_.Make(
      "ecf8-generations", RoundUp(pages * sizeof(SlotGeneration), kDeviceMemoryAlignment)));
  // Zeroed memory is counters of 0: they need no constructor that does anything.
  slots->counters_ = {reinterpret_cast<SlotGeneration*>(slots->generations_.bytes().data()), pages};
  MutexLock lock(slots->mutex_);
  slots->space_.emplace(slots->run_->memory_dev(), slots->counters_);
  return slots;
}

std::shared_ptr<OwnSlots::Slot> OwnSlots::Allocate(uint64_t size_bytes) {
  MutexLock lock(mutex_);
  const std::optional<absl::Span<uint8_t>> memory_dev = space_->Allocate(size_bytes);
  if (!memory_dev) return nullptr;
  const uint64_t generation =
      memory_dev->empty() ? 0 : counters_[OffsetOf(*memory_dev) / kSlotPageBytes].load();
  return std::make_shared<Slot>(shared_from_this(), *memory_dev, generation);
}

void OwnSlots::Free(absl::Span<uint8_t> memory_dev) {
  MutexLock lock(mutex_);
  space_->Free(memory_dev);
}

}  // namespace ecf8
