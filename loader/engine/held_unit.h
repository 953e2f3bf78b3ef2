// A client's hold on a unit that is in memory, or on its way there.
//
// The engine writes, the holder reads, each on its own threads; no lock is taken on the way.
#ifndef ECF8_LOADER_ENGINE_HELD_UNIT_H_
#define ECF8_LOADER_ENGINE_HELD_UNIT_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/engine/device.h"
#include "loader/engine/tier.h"
#include "loader/engine/unit_parts.h"
#include "loader/memory/frame_space.h"
#include "loader/model/compressed_model.h"
#include "loader/model/error_info.h"

namespace ecf8 {

enum class UnitForm : uint8_t {
  kStored,        // tables, then chunks, at their offsets in the stored unit
  kDecoded,       // original bytes at their offsets in the decoded layout, in a slot
  kStoredInSlot,  // as kStored, in a slot: for those who map slots
};

// The tier whose memory a form's holders hold, and the form that a tier has.
constexpr Tier TierOf(UnitForm form) {
  return form == UnitForm::kStored    ? Tier::kHost
         : form == UnitForm::kDecoded ? Tier::kSlots
                                      : Tier::kStoredSlots;
}
constexpr UnitForm FormIn(Tier tier) {
  return tier == Tier::kSlots         ? UnitForm::kDecoded
         : tier == Tier::kStoredSlots ? UnitForm::kStoredInSlot
                                      : UnitForm::kStored;
}
// What to ask for so that the unit gets there.
constexpr UnitForm FormFor(Tier tier) {
  return tier == Tier::kDevice ? UnitForm::kDecoded : FormIn(tier);
}
inline uint64_t SizeIn(UnitForm form, const Unit& unit) {
  return form == UnitForm::kDecoded ? unit.decoded_size_bytes : unit.stored_size_bytes;
}

// Which requests go first. The numbers are those of the order.
enum class Priority : uint8_t { kDemand = 0, kHinted = 1, kPreload = 2 };
inline constexpr size_t kPriorityCount = 3;

struct UnitRequest {
  uint32_t model = 0;  // its number
  uint32_t unit_index = 0;
  UnitForm form = UnitForm::kDecoded;
  Priority priority = Priority::kDemand;
  // Of a preload that is decoded: for the sake of the device's frames. It has a slot in passing.
  bool for_frames = false;
  // Of Engine::NewFlow: all that one client asks for has one, and clients of equal priority get
  // memory in turn (turn_queue.h). 0: of nobody.
  uint64_t flow = 0;
  // Whether the engine may take the memory back where others wait for it and nobody has used it
  // for a while (see CopyPart). A hold that clients map must not.
  bool revocable = false;
  // Called by the engine's loop when there is news: parts are ready, or the unit has failed, or was
  // taken back. Short; must not call the engine. May still be called once while the hold is being
  // released, so it must keep alive what it uses. May be empty.
  std::function<void()> on_progress{};
};

// Thread-safe.
class HeldUnit {
 public:
  HeldUnit(UnitRequest request, std::shared_ptr<const CompressedModel> model,
           std::shared_ptr<const std::vector<UnitPart>> parts);

  const UnitRequest& request() const { return request_; }
  const CompressedModel& model() const { return *model_; }
  const Unit& unit() const { return model_->unit(request_.unit_index); }
  const std::vector<UnitPart>& parts() const { return *parts_; }

  // So many parts, from the first on, are in memory, checked, and in the form asked for.
  size_t ready_parts() const { return ready_parts_.load(std::memory_order_acquire); }
  bool ready() const { return ready_parts() == parts_->size() && begun(); }
  // The unit has its memory: with no parts, that is all there is to wait for.
  bool begun() const { return begun_.load(std::memory_order_acquire); }

  // Not OK: the unit will not come. Carries an ErrorInfo.
  absl::Status status() const;
  // A preload's: the unit will not come, because clients use the memory that it would need.
  bool declined() const { return declined_.load(std::memory_order_acquire); }

  // Copies a ready part, in the form asked for, to `out`, which has just its size. False where the
  // memory was taken back: ask the engine for the unit again; or where status() is an error now.
  [[nodiscard]] bool CopyPart(size_t part, uint8_t* out);

  // The unit's slot in the device's memory, in the form asked for, of a hold that is ready and not
  // revocable; valid until it is released. Not of kStored, which has none.
  absl::Span<const uint8_t> slot_dev() const;

 private:
  friend class EngineCore;
  friend class UnitTiers;

  enum class Use : uint8_t { kIdle, kInUse, kRevoked };

  // Of the part that lies there, in the form asked for.
  absl::Status ReadPart(const UnitPart& part, uint8_t* out);

  // For the engine's loop.
  void Begin(const Extents* stored, uint8_t* slot_dev, Device* device);
  void Publish(size_t ready_parts) { ready_parts_.store(ready_parts, std::memory_order_release); }
  void Fail(const absl::Status& status);
  void Decline() { declined_.store(true, std::memory_order_release); }
  // True where the holder is not just copying: from here on it gets nothing more.
  bool TryRevoke();
  void Notify() const {
    if (request_.on_progress) request_.on_progress();
  }

  const UnitRequest request_;
  const std::shared_ptr<const CompressedModel> model_;
  const std::shared_ptr<const std::vector<UnitPart>> parts_;

  // Set before begun_.
  const Extents* stored_ = nullptr;
  uint8_t* slot_dev_ = nullptr;
  Device* device_ = nullptr;
  std::atomic<bool> begun_ = false;
  std::atomic<size_t> ready_parts_ = 0;
  std::atomic<bool> declined_ = false;
  std::atomic<Use> use_ = Use::kIdle;
  std::atomic<bool> used_ = true;  // since the loop last looked
  std::vector<uint8_t> scratch_;   // the user's

  // The loop's.
  std::array<bool, kTierCount> asked_tiers_{};  // those asked for the unit
  Priority priority_ = request_.priority;       // of the request, or what it was raised to

  // In pieces: copies of an absl::Status share memory, counted by Debian's Abseil, which
  // ThreadSanitizer cannot see into.
  struct Failure {
    absl::StatusCode code = absl::StatusCode::kOk;
    std::string message;
    ErrorInfo info;
  };

  mutable Mutex mutex_;
  std::optional<Failure> failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_HELD_UNIT_H_
