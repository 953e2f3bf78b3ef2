// The engine's decisions: which unit is read, decoded, kept, dropped, and who is told.
//
// A state machine without threads, locks or clocks: completions come in by OnReadDone and
// OnJobDone, which only mark what has happened; Advance does what has become possible. The daemon
// runs it on one thread (engine.h); tests run it in virtual time.
//
//   Acquire --> waits for memory --> reads --> (verify, copy, decode) jobs --> ready --> Release
//                 by priority         \____ part by part, as it arrives ____/
//
// Every unit is in flight once: whoever asks for what is on its way joins. What nobody holds stays
// in memory until the memory is wanted; the policies say what to give up (unit_tiers.h). A unit
// that is decoded from host memory is kept on the device as well, where the policy admits it: the
// next time it is decoded from there, without a read or a copy. A preload takes what nobody uses,
// or is declined; what is pinned stays (engine_residency.cc).
#ifndef ECF8_LOADER_ENGINE_ENGINE_CORE_H_
#define ECF8_LOADER_ENGINE_ENGINE_CORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/engine/device.h"
#include "loader/engine/engine_observer.h"
#include "loader/engine/engine_stats.h"
#include "loader/engine/held_unit.h"
#include "loader/engine/operation_table.h"
#include "loader/engine/residency.h"
#include "loader/engine/turn_queue.h"
#include "loader/engine/unit_state.h"
#include "loader/engine/unit_tiers.h"
#include "loader/io/block_reader.h"

namespace ecf8 {

// A model whose shards are open with the reader.
struct EngineModelFiles {
  std::shared_ptr<const CompressedModel> model;
  std::vector<uint32_t> files;  // by shard
};

// Of what the model has open: whatever became of its directory since. May block for a moment.
absl::StatusOr<EngineModelFiles> OpenModelFiles(BlockReader& reader,
                                                std::shared_ptr<const CompressedModel> model);
void CloseModelFiles(BlockReader& reader, const EngineModelFiles& files);

// All of them outlive the core.
struct EngineParts {
  BlockReader* reader = nullptr;
  Device* device = nullptr;
  TierParts tiers{};
  std::vector<EngineObserver*> observers{};
  // Gets what the core had of a model that it knows no more: the files are to be closed.
  std::function<void(EngineModelFiles)> on_forgotten{};
};

// What an owner's run of slots gets.
struct RunRoom {
  uint64_t granted_bytes = 0;  // 0: there is not so much
  uint64_t left_bytes = 0;     // then: what there is
  uint64_t kept_bytes = 0;     // of slots, from the first on, that are in use
};

struct RunOrder {
  uint64_t least_bytes = 0;
  uint64_t most_bytes = 0;
  std::function<void(absl::StatusOr<RunRoom>)> on_room{};  // with an ErrorInfo
};

// Units that are read or decoded at once, at most; half of the places are no preload's.
inline constexpr size_t kMaxActiveUnits = 32;

// Thread-compatible.
class EngineCore {
 public:
  explicit EngineCore(const EngineParts& parts);
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;
  // Nothing is in flight and nothing is held.
  ~EngineCore();

  // RESOURCE_EXHAUSTED, with the shortfall and who holds it, where what is pinned would not leave
  // room for any one unit of the model: a request for it would wait for as long as the pins last.
  // Those of the model number `replaced` do not count.
  absl::Status CheckRoomFor(const CompressedModel& model,
                            std::optional<uint32_t> replaced = std::nullopt) const;
  // Gives the model a number: 0, 1, ..., that no other model has had.
  uint32_t AddModel(EngineModelFiles model);

  // From here on the model's units stay in memory only while somebody holds them. They can still be
  // asked for.
  void RetireModel(uint32_t number);

  // As RetireModel, and nobody asks for them any more: when the last is gone, so is the model.
  void ForgetModel(uint32_t number);

  // Empty for one that was forgotten. Thread-safe.
  std::string NameOfModel(uint32_t number) const;

  // A hold to give to Acquire. NOT_FOUND where the model was forgotten; RESOURCE_EXHAUSTED, with
  // the shortfall, where the unit can never fit. Thread-safe.
  absl::StatusOr<std::shared_ptr<HeldUnit>> MakeHold(UnitRequest request) const;

  // Asks for the hold's unit: what becomes of it, the hold tells.
  void Acquire(const std::shared_ptr<HeldUnit>& held);

  // Makes what was asked for earlier more urgent: a hint that has become a demand, say.
  void Raise(const std::shared_ptr<HeldUnit>& held, Priority priority);

  // Ends a hold, in whatever state: what it waited for or held is given back.
  void Release(const std::shared_ptr<HeldUnit>& held);

  // The units of the set that are not in its tier, for a preload to ask for. RESOURCE_EXHAUSTED,
  // with the shortfall and the holder, where they can never be there together, beside what is
  // pinned and what sessions were granted; NOT_FOUND where the model is retired.
  absl::StatusOr<std::vector<uint32_t>> PlanPreload(const UnitSet& set) const;
  std::vector<uint32_t> AbsentOf(const UnitSet& set) const;

  // Pins all units of the set, there or not; or none, with RESOURCE_EXHAUSTED as above, where no
  // room would be left for any one unit, or NOT_FOUND as above. Those that are pinned may be again;
  // the totals count the others. Pins of a model end where it is retired.
  absl::StatusOr<UnitTotals> Pin(const UnitSet& set, PinReason reason);
  UnpinReport Unpin(const UnitSet& set, PinReason reason);
  // All pins, and a number that changes with them.
  std::vector<PinnedModel> ListPins() const;
  uint64_t pin_changes() const { return pin_changes_; }

  // Gives up the memory of those units of the set that nobody uses and that are not pinned.
  EvictReport Evict(const UnitSet& set);

  // Slots for an owner's own run (slot_runs.h): `most_bytes`, or what is left beside other runs,
  // what is pinned and room for any one unit, but at least `least_bytes`. `on_room` is called once,
  // by this or by Advance or Tick: when nothing lies any more where the device may take as many
  // bytes from the end of the slots. They are taken until CloseRun; and the slots get nothing back
  // before RunMade, so that what is kept of them stays what it is. One run is made at a time.
  void OpenRun(RunOrder order);
  // The device has made the run, or not, which CloseRun follows. The slots lack `missing_bytes`
  // then, besides what runs have.
  void RunMade(uint64_t missing_bytes);
  // Of what OpenRun has given: the slots have the memory again, but for `missing_bytes` of all.
  void CloseRun(uint64_t run_bytes, uint64_t missing_bytes);
  // They lack so much now.
  void SetMissingSlots(uint64_t missing_bytes);
  uint64_t missing_slot_bytes() const { return missing_slot_bytes_; }

  // As UnitTiers::SetTime.
  void SetTime(uint64_t now_ms) {
    now_ms_ = now_ms;
    tiers_.SetTime(now_ms);
  }

  void OnReadDone(const BlockReadDone& done);
  void OnJobDone(DeviceJobDone done);

  // Starts what can be started and tells the holders what is new.
  void Advance();

  // Whether requests or runs wait for memory: then Tick is to be called every kTickMs. Holds that
  // may be revoked and were not used from one tick to the next but one lose their memory.
  bool wants_ticks() const { return blocked_ || !waiting_runs_.empty(); }
  void Tick();
  static constexpr int kTickMs = 100;

  // Requests all ended, nothing in flight.
  bool idle() const { return request_count_ == 0 && reads_.in_use() == 0 && jobs_.in_use() == 0; }

  EngineStats stats() const;

 private:
  struct Model {
    EngineModelFiles opened;
    bool retired = false;
    bool forgotten = false;  // when its units are gone
  };

  // engine_models.cc: models that come and go.
  void Settle(UnitState& unit);
  void FinishForgetting(uint32_t number);

  // engine_kept.cc: what the process before has left.
  void AdoptKept(uint32_t number, const EngineModelFiles& opened);
  void BeginCheck(UnitState& unit);
  static Priority CheckPriority(const UnitState& unit);
  bool SubmitChecks(Priority priority);  // false: the device is full
  void OnCheckDone(UnitState& unit, const Operation& job, const absl::Status& status);

  // engine_core.cc: requests.
  static std::unique_ptr<UnitState> MakeUnit(uint32_t model, const EngineModelFiles& opened,
                                             uint32_t unit_index);
  UnitState* FindOrMake(const HeldUnit& held);  // null where the model is gone
  UnitState* Find(const HeldUnit& held);
  void GiveUpSlotForFrames(const HeldUnit& held);
  void SetPriority(UnitState& unit, UnitForm form, Priority priority);
  // To that of the most urgent who still waits for the form; somebody does.
  void LowerPriority(UnitState& unit, UnitForm form);
  void Abandon(UnitState& unit, UnitForm form);
  static Turn TurnOf(UnitState& unit, UnitForm form);
  // Whether the form is made of what is in host memory, or is that.
  static bool NeedsHost(const UnitState& unit, UnitForm form) {
    return form != UnitForm::kDecoded || !unit.decodes_from_frames();
  }
  // The hold has its memory.
  void Begin(UnitState& unit, const std::shared_ptr<HeldUnit>& held);
  void Tell(const std::shared_ptr<HeldUnit>& held) { news_.push_back(held); }
  // Of `event`, what the kind alone has; the rest is the unit's.
  void Observe(EngineEvent::Kind kind, UnitState& unit, UnitForm form, EngineEvent event = {});

  // engine_memory.cc: who gets memory.
  enum class StartResult : uint8_t { kStarted, kDeclined, kBusy, kNoSlots, kNoHost };
  // What the memory is that those who were tried have not found. A slot is taken first: who lacks
  // host memory may need both.
  enum class Lack : uint8_t { kNothing, kSlots, kHost };
  void StartWaiting();
  bool StartMostUrgent();
  bool StartOneOf(Priority priority, Lack& lack);
  StartResult Start(Turn turn, Lack lack);
  StartResult TakeMemory(const Turn& turn, bool reads);
  static Claim ClaimOf(const Turn& turn, Tier tier);
  void Decline(Turn turn);
  void RevokeIdle(FormState& form);

  // engine_runs.cc: slots that are an owner's own.
  void LimitSlots();
  void AnswerRuns();
  void ExpireRuns();

  // engine_residency.cc: what is pinned.
  absl::StatusOr<std::shared_ptr<const CompressedModel>> ServedModelOf(const UnitSet& set) const;
  absl::Status RefuseSet(const UnitSet& set, uint64_t shortfall_bytes, MemoryHolders holders) const;

  // engine_progress.cc: what is in flight.
  void BeginFilling(UnitState& unit, UnitForm form);
  void SubmitReads();
  bool SubmitReadsOf(UnitState& unit);  // false: the reader is full
  void SubmitJobs();
  bool SubmitJob(UnitState& unit, UnitForm form);
  void FinishIfReady(UnitState& unit, UnitForm form);
  void MarkDone(UnitState& unit, const Operation& job);
  void FailJob(UnitState& unit, const Operation& job, const absl::Status& status);
  void Fail(UnitState& unit, const absl::Status& status);
  void FailForm(UnitState& unit, UnitForm form, const absl::Status& status);
  void DropFailed(FormState& form);
  void FinishDraining(UnitState& unit);

  const EngineParts parts_;
  mutable Mutex models_mutex_;  // the loop's thread alone changes them
  std::unordered_map<uint32_t, Model> models_ ABSL_GUARDED_BY(models_mutex_);
  uint32_t next_model_ = 0;
  std::set<uint32_t> leaving_;  // of the models, those that are forgotten
  UnitTiers tiers_;
  TurnQueue waiting_;               // for memory
  std::set<Turn> active_;           // kFilling
  std::vector<UnitState*> checks_;  // kKept, and wanted; as many as are active at most
  uint64_t next_sequence_ = 0;
  size_t request_count_ = 0;
  bool blocked_ = false;  // somebody waits for memory that is in use
  bool hungry_ = false;   // and not a mere hint: idle holds have to give way
  bool retry_ = false;    // who waits may be luckier now
  uint64_t pin_changes_ = 0;
  OperationTable reads_;
  OperationTable jobs_;
  uint64_t now_ms_ = 0;
  uint64_t run_bytes_ = 0;           // that runs have, or wait for
  uint64_t missing_slot_bytes_ = 0;  // that nobody has
  uint64_t slot_limit_bytes_ = 0;    // the slots' end, for all that share them
  bool making_run_ = false;
  struct WaitingRun {
    uint64_t size_bytes = 0;
    uint64_t until_ms = 0;
    std::function<void(absl::StatusOr<RunRoom>)> on_room;
  };
  std::vector<WaitingRun> waiting_runs_;
  std::vector<std::shared_ptr<HeldUnit>> news_;
  EngineStats stats_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_CORE_H_
