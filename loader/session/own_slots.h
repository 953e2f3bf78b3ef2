// A session's slots where they are its own (slot_runs.h): what is leased and ahead lies there, and
// nothing of others.
#ifndef ECF8_LOADER_SESSION_OWN_SLOTS_H_
#define ECF8_LOADER_SESSION_OWN_SLOTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/descriptor.h"
#include "loader/base/mutex.h"
#include "loader/engine/engine_run.h"
#include "loader/memory/sealed_memory.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {

// Thread-safe. The run is given back when this and all of its slots have gone.
class OwnSlots : public std::enable_shared_from_this<OwnSlots> {
 public:
  // RESOURCE_EXHAUSTED where there is no memory or descriptor for the generations.
  static absl::StatusOr<std::shared_ptr<OwnSlots>> Make(std::unique_ptr<EngineRun> run);
  OwnSlots(const OwnSlots&) = delete;
  OwnSlots& operator=(const OwnSlots&) = delete;

  // Freed when it goes.
  class Slot {
   public:
    Slot(std::shared_ptr<OwnSlots> slots, absl::Span<uint8_t> memory_dev, uint64_t generation)
        : slots_(std::move(slots)), memory_dev_(memory_dev), generation_(generation) {}
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { slots_->Free(memory_dev_); }

    absl::Span<uint8_t> memory_dev() const { return memory_dev_; }
    uint64_t offset_bytes() const { return slots_->OffsetOf(memory_dev_); }
    uint64_t generation() const { return generation_; }

   private:
    const std::shared_ptr<OwnSlots> slots_;
    const absl::Span<uint8_t> memory_dev_;
    const uint64_t generation_;
  };

  // Null where no run of so many bytes is free. Of 0 bytes: a slot of nothing.
  std::shared_ptr<Slot> Allocate(uint64_t size_bytes);

  uint64_t size_bytes() const { return run_->memory_dev().size(); }
  // What the owner is handed: once, and the caller's; and the slots' generations, which he may
  // read (slot_generations.h), and which stay these slots'.
  Descriptor TakeDescriptor() { return run_->TakeDescriptor(); }
  const SealedMemory& generations() const { return generations_; }

 private:
  explicit OwnSlots(std::unique_ptr<EngineRun> run) : run_(std::move(run)) {}

  void Free(absl::Span<uint8_t> memory_dev);
  uint64_t OffsetOf(absl::Span<const uint8_t> memory_dev) const {
    return memory_dev.empty()
               ? 0
               : static_cast<uint64_t>(memory_dev.data() - run_->memory_dev().data());
  }

  const std::unique_ptr<EngineRun> run_;
  SealedMemory generations_;
  absl::Span<SlotGeneration> counters_;  // by page
  Mutex mutex_;
  std::optional<SlotSpace> space_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_OWN_SLOTS_H_
