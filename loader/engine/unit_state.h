// What the engine's loop knows of a unit that is in memory, on its way, or waited for.
#ifndef ECF8_LOADER_ENGINE_UNIT_STATE_H_
#define ECF8_LOADER_ENGINE_UNIT_STATE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "loader/cache/cache_policy.h"
#include "loader/engine/device.h"
#include "loader/engine/held_unit.h"
#include "loader/engine/stored_bytes.h"
#include "loader/engine/tier.h"
#include "loader/engine/unit_parts.h"
#include "loader/memory/frame_space.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// How far one form of a unit is, in its tier.
//
//              memory given             all parts ready
//   kAbsent ------------------> kFilling ---------------> kReady
//      ^                           | fails, or nobody        |
//      |  nothing in flight,       v wants it any more       | evicted
//      |  nobody holds it
//      +----------------------- kDraining                    |
//      +-----------------------------------------------------+
//
// Stored bytes that the process before has left are kKept: in memory, and nobody's before they are
// checked (engine_kept.cc).
//
// In frames of the device a unit is filling while it is decoded from host memory: the same jobs
// copy it.
enum class Stage : uint8_t { kAbsent, kKept, kFilling, kReady, kDraining };

// The parts of one form that are done, and those whose turn it is.
class PartProgress {
 public:
  void Reset(size_t count) {
    done_.assign(count, false);
    ready_ = next_ = 0;
  }
  void Done(size_t part) {
    done_[part] = true;
    while (ready_ < done_.size() && done_[ready_]) ++ready_;
  }
  bool done(size_t part) const { return done_[part]; }
  bool all_done() const { return ready_ == done_.size(); }
  size_t ready() const { return ready_; }  // leading parts that are done

  // The next part that has not been begun.
  size_t next() const { return next_; }
  void Begun(size_t end) { next_ = end; }

 private:
  std::vector<bool> done_;
  size_t ready_ = 0;
  size_t next_ = 0;
};

using Holds = std::vector<std::shared_ptr<HeldUnit>>;

struct FormState {
  Stage stage = Stage::kAbsent;
  Holds holders;  // of the memory; while kDraining, those who were just copying when it failed
  Holds waiters;  // for memory; none while kFilling or kReady
  Priority priority =
      Priority::kPreload;  // of the most urgent; while there are waiters or kFilling
  uint64_t sequence = 0;   // while there are waiters, of the first request; then, of the start
  uint64_t flow = 0;       // of the first request
  PartProgress progress;
  uint32_t jobs_in_flight = 0;

  // Or on its way there.
  bool in_memory() const { return stage == Stage::kFilling || stage == Stage::kReady; }
};

struct UnitState {
  uint64_t key = 0;
  uint32_t file = 0;     // of the reader
  bool retired = false;  // its model is: it stays no longer than it is used
  std::shared_ptr<const CompressedModel> model;
  uint32_t unit_index = 0;
  const Unit* unit = nullptr;
  std::shared_ptr<const std::vector<UnitPart>> parts;

  FormState stored;
  Extents frames;                 // of the arena
  bool asked_stored = false;      // by somebody, since it has frames
  bool is_being_checked = false;  // while kKept
  bool is_bad = false;            // and some of it is not what it should be
  std::vector<PlannedRead> reads;
  PartProgress read_progress;
  uint32_t reads_in_flight = 0;

  Stage device = Stage::kAbsent;
  Extents frames_dev;

  FormState decoded;
  absl::Span<uint8_t> slot_dev;
  std::unique_ptr<DeviceTables> tables;  // while decoding

  FormState stored_in_slot;
  Extents stored_slot_dev;  // one run; of no bytes where it has none

  FormState& form(UnitForm form) {
    return form == UnitForm::kStored    ? stored
           : form == UnitForm::kDecoded ? decoded
                                        : stored_in_slot;
  }
  const FormState& form(UnitForm form) const { return const_cast<UnitState*>(this)->form(form); }
  // Of the slots' tiers: empty where it has none.
  absl::Span<uint8_t> slot_dev_in(Tier tier) const {
    if (tier == Tier::kSlots) return slot_dev;
    return stored_slot_dev.empty() ? absl::Span<uint8_t>() : stored_slot_dev.front();
  }

  // Stored bytes that have arrived, from the first on.
  uint64_t arrived_bytes() const {
    if (read_progress.ready() == reads.size()) return unit->stored_size_bytes;
    return reads[read_progress.ready()].offset_bytes;
  }
  bool arrived(size_t part) const { return (*parts)[part].stored_end_bytes() <= arrived_bytes(); }

  // Where a decode takes the stored bytes from.
  bool decodes_from_frames() const { return device == Stage::kReady; }
  // Whether what is being made of the unit takes them from host memory, and so checks them.
  bool is_made_from_host() const {
    return stored_in_slot.stage == Stage::kFilling ||
           (decoded.stage == Stage::kFilling && !decodes_from_frames());
  }

  Stage& stage(Tier tier) { return tier == Tier::kDevice ? device : form(FormIn(tier)).stage; }
  Stage stage(Tier tier) const { return tier == Tier::kDevice ? device : form(FormIn(tier)).stage; }
  // Or will have, if all goes well.
  bool has(Tier tier) const {
    return stage(tier) != Stage::kAbsent && stage(tier) != Stage::kDraining;
  }
  // As the tier's policy knows the unit.
  CacheUnit& cached(Tier tier) { return cached_[static_cast<size_t>(tier)]; }
  const CacheUnit& cached(Tier tier) const { return cached_[static_cast<size_t>(tier)]; }

  // Nothing is in flight that reads or writes what the tier holds.
  bool is_still(Tier tier) const {
    if (tier == Tier::kHost) {
      return reads_in_flight == 0 && stored.jobs_in_flight == 0 &&
             stored_in_slot.jobs_in_flight == 0 &&
             (decoded.jobs_in_flight == 0 || decodes_from_frames());
    }
    return (tier == Tier::kStoredSlots ? stored_in_slot : decoded).jobs_in_flight == 0;
  }
  // Nobody uses what the tier holds, all of it.
  bool is_idle(Tier tier) const {
    if (stage(tier) == Stage::kKept) return !is_being_checked;
    if (stage(tier) != Stage::kReady || !is_still(tier)) return false;
    if (tier == Tier::kDevice) return decoded.stage != Stage::kFilling;
    return form(FormIn(tier)).holders.empty() && (tier != Tier::kHost || !is_made_from_host());
  }
  // Somebody holds what is there for as long as he likes.
  bool is_leased(Tier tier) const {
    if (tier == Tier::kDevice) return false;
    const Holds& holders = form(FormIn(tier)).holders;
    return std::any_of(holders.begin(), holders.end(),
                       [](const auto& held) { return !held->request().revocable; });
  }
  bool forgotten() const {
    return stored.stage == Stage::kAbsent && device == Stage::kAbsent &&
           decoded.stage == Stage::kAbsent && stored_in_slot.stage == Stage::kAbsent &&
           !has_waiters();
  }
  bool has_waiters() const {
    return !stored.waiters.empty() || !decoded.waiters.empty() || !stored_in_slot.waiters.empty();
  }

 private:
  std::array<CacheUnit, kTierCount> cached_;  // by tier
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_UNIT_STATE_H_
