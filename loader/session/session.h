// One client's units in slots: sets that it has leased or waits for, and what is made ready ahead,
// all within the slots that it was granted.
//
//   Acquire --> queued --(room in the grant)--> waiting --(all units ready)--> told --> Release
//                                                  \------(one has failed)--> failed
//
// - A set comes whole or not at all, in the order in which sets were asked for. It waits for room
//   in its own grant only, which holds whatever other sessions do (slot_grants.h): no two sessions
//   can wait for each other.
// - What is ahead (the schedule, then hints) fills what the sets leave of the grant and makes room
//   for them: first what was hinted goes, then the schedule's farthest.
// - A unit is held once, however many sets have it. One that is pinned in slots costs nothing of
//   the grant: its pin has paid for it.
// - Where the model is not served any more, sets that were asked for before go on, and nothing is
//   made ready ahead.
// - Where slots are the session's own, a unit is decoded in those that all share, and copied: it
//   has its place from when it is asked for, and its set waits for a place as it does for room.
// - The grant counts bytes. That they lie in one piece nobody can promise beside leases that cannot
//   move, so a set that waits for memory for too long fails, and with it what it held meanwhile. Of
//   pinned units a set may be large and on its way from the disk: it has time as long as one of
//   them moves.
#ifndef ECF8_LOADER_SESSION_SESSION_H_
#define ECF8_LOADER_SESSION_SESSION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/cache/cache_policy.h"
#include "loader/engine/engine.h"
#include "loader/engine/engine_model.h"
#include "loader/engine/pin_hold.h"
#include "loader/engine/slot_grants.h"
#include "loader/model/compressed_model.h"
#include "loader/session/own_slots.h"
#include "loader/session/session_walk.h"

namespace ecf8 {

struct SessionLimits {
  uint32_t max_units = 1024;  // of a set
  uint32_t max_sets = 16;     // asked for and not released
  uint32_t max_hints = 1024;  // that wait for room
  uint32_t max_depth = 256;   // of a schedule
  // Of slots that one session can be granted; 0: all that there are.
  uint64_t max_slot_bytes = 0;
  // Hints that have not been used after so many sets are forgotten.
  uint32_t hint_life_sets = 16;
  // For memory: after it a set fails.
  std::chrono::milliseconds set_patience{10'000};
};

// What has been checked and granted.
struct SessionPlan {
  std::shared_ptr<const EngineModel> model;
  SessionWalk walk;
  UnitForm form = UnitForm::kDecoded;  // that lies in its slots
  uint64_t granted_bytes = 0;          // from the session's SlotGrants, or in slots of its own
};

struct SetRequest {
  uint64_t set_id = 0;
  std::vector<uint32_t> units;              // by index
  std::chrono::milliseconds timeout{0};     // above 0: it fails where it is not ready by then
  std::vector<uint64_t> release_set_ids{};  // as by Release, before it looks for room
};

// Where a leased unit lies, in the slots' memory or in the session's own.
struct SlotView {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
  uint64_t generation = 0;
};

struct SetOutcome {
  uint64_t set_id = 0;
  absl::Status status;          // with an ErrorInfo; not OK: nothing is leased
  std::vector<SlotView> slots;  // as the units were asked for
};

// Thread-safe. Never blocks.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // Use OpenSession. `engine` outlives it. `residence` holds the pins of a resident session's model
  // in slots, and is empty of another. `own_slots` are granted_bytes for it alone; null: it has
  // those that all share. `on_outcome` is called without locks, on any thread, also from within
  // Acquire and Tick, when TakeOutcome has something; on the engine's it must not call anything but
  // TakeOutcome. It must keep alive what it uses.
  Session(Engine& engine, const SessionLimits& limits, SessionPlan plan, PinHold residence,
          std::shared_ptr<OwnSlots> own_slots, std::function<void()> on_outcome);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Asks for a set, which has just one outcome: NOT_FOUND from when the model is retired on, while
  // what is leased stays leased. INVALID_ARGUMENT for an id that is in use, or units
  // that are none, too many, or named twice, and for sets to be released that are not leased;
  // RESOURCE_EXHAUSTED for more than max_sets: what a client that is right never does, so that its
  // session had better end.
  absl::Status Acquire(SetRequest request);

  // Of a set whose outcome was taken and OK: INVALID_ARGUMENT else.
  absl::Status Release(uint64_t set_id);

  // Of a set that was asked for: it fails, with CANCELLED, or is released where its outcome was
  // taken. Any other number is taken for that of a set whose failure was not yet heard of.
  void Cancel(uint64_t set_id);

  // INVALID_ARGUMENT for a unit that there is not. Any number of them: too many are forgotten.
  absl::Status Hint(absl::Span<const uint32_t> units);

  void Skip(uint64_t count);

  // In the order in which the sets got ready.
  std::optional<SetOutcome> TakeOutcome();

  // Fails sets that have waited too long, for memory or for their time. To be called a few times a
  // second.
  void Tick();

  // Goes on where units have failed, and begins what is ahead. To be called once at the start, and
  // after an outcome was taken; not on the engine's thread.
  void Continue();

  // Gives everything back, at once. Nothing more comes.
  void Close();

  const CompressedModel& model() const { return *plan_.model->model(); }
  const SessionLimits& limits() const { return limits_; }
  uint64_t granted_bytes() const { return plan_.granted_bytes; }
  UnitForm form() const { return plan_.form; }
  bool is_resident() const { return is_resident_; }
  bool has_own_slots() const { return has_own_slots_; }

 private:
  using Clock = std::chrono::steady_clock;

  // A unit that the session holds or waits for.
  struct Entry {
    PinUse pin;  // of a unit that its pin has paid for
    UnitLease lease;
    // Where slots are the session's own: where the unit is to lie. Once it is decoded a copy takes
    // the lease, and the slot with it until it is done.
    std::shared_ptr<OwnSlots::Slot> own{};
    std::optional<absl::Status> copied{};  // how that has ended
    uint64_t slot_bytes = 0;               // of the grant; 0 where it has failed, or is pinned
    bool settled = false;                  // ready or failed
    bool failed = false;
    uint32_t sets = 0;  // that have it
    bool ahead = false;
    bool hinted = false;
    std::vector<uint64_t> waiting_sets;

    bool used() const { return sets > 0 || ahead || hinted; }
  };

  struct Set {
    enum class Stage : uint8_t { kQueued, kWaiting, kDone, kTold };

    std::vector<uint32_t> units;
    Stage stage = Stage::kQueued;
    bool counted = false;  // in its entries' `sets`
    size_t missing = 0;    // units that are not settled
    Clock::time_point asked_at;
    Clock::time_point moved_at;  // there was news of a unit that it waits for
    Clock::time_point until = Clock::time_point::max();

    bool waits() const { return stage == Stage::kQueued || stage == Stage::kWaiting; }
  };

  struct HintedUnit {
    uint32_t unit = 0;
    uint64_t until_set = 0;
  };

  absl::Status CheckSet(uint64_t set_id, const std::vector<uint32_t>& units) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What nobody else has goes at the next Pump.
  absl::Status EndLease(uint64_t set_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As the grants know it.
  uint64_t KeyOf(uint32_t unit) const {
    return TierKey(TierOf(plan_.form), CacheKey(plan_.model->number(), unit));
  }
  // In the session's form.
  uint64_t SizeBytesOf(uint32_t unit) const { return SizeIn(plan_.form, model().unit(unit)); }
  uint64_t SlotBytesOf(uint32_t unit) const;
  // What the unit would cost of the grant now.
  uint64_t ChargeOf(uint32_t unit) const;
  // session_room.cc: what is possible now.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AdmitFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeRoom(uint64_t bytes, bool from_ahead) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool DropLastAhead(bool from_ahead) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unmark(uint32_t unit, bool Entry::*mark) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Demand(uint64_t set_id, Set& set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetAhead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkAhead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AcquireAhead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpireHints() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AcquireHints() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropUnused() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AcquireUnit(uint32_t unit, Priority priority) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // session_own.cc: where slots are the session's own.
  bool ReserveOwn(const Set& set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<OwnSlots::Slot> TakeOwn(uint32_t unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status NoPlace() const;
  void BeginCopy(uint32_t unit, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnCopied(uint32_t unit, const OwnSlots::Slot* own, const absl::Status& status);
  bool Fits(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return charged_bytes_ + bytes <= plan_.granted_bytes;
  }
  void FinishSet(uint64_t set_id, Set& set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of one that waits, and may be queued.
  void GiveUp(uint64_t set_id, Set& set, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailSet(uint64_t set_id, Set& set, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Uncount(uint64_t set_id, Set& set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasWaitedTooLong(const Set& set, Clock::time_point now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // From the engine's loop.
  void OnUnitNews(uint32_t unit);
  void Settle(uint32_t unit, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing: it is on its way.
  static std::optional<absl::Status> ResultOf(const Entry& entry);
  SlotView ViewOf(const Entry& entry) const;
  // Calls on_outcome if there is something to take.
  void Announce();

  Engine& engine_;
  const SessionLimits limits_;
  const SessionPlan plan_;
  const bool is_resident_;
  const bool has_own_slots_;
  const std::function<void()> on_outcome_;
  const uint64_t flow_;

  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  PinHold residence_ ABSL_GUARDED_BY(mutex_);
  SessionWalk walk_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t charged_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<OwnSlots> own_slots_ ABSL_GUARDED_BY(mutex_);  // until it is closed
  // For units of the set that is about to be admitted.
  std::unordered_map<uint32_t, std::shared_ptr<OwnSlots::Slot>> reserved_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Set> sets_ ABSL_GUARDED_BY(mutex_);
  uint64_t set_count_ ABSL_GUARDED_BY(mutex_) = 0;      // since the start
  std::deque<uint64_t> queue_ ABSL_GUARDED_BY(mutex_);  // kQueued
  std::deque<SetOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> ahead_ ABSL_GUARDED_BY(mutex_);                 // those that are marked
  std::deque<HintedUnit> hints_ ABSL_GUARDED_BY(mutex_);                // that wait for room
  std::unordered_set<uint32_t> waiting_hints_ ABSL_GUARDED_BY(mutex_);  // their units
  std::deque<HintedUnit> held_hints_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_SESSION_H_
