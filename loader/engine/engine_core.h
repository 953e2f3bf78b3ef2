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
// next time it is decoded from there, without a read or a copy.
#ifndef ECF8_LOADER_ENGINE_ENGINE_CORE_H_
#define ECF8_LOADER_ENGINE_ENGINE_CORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/engine/device.h"
#include "loader/engine/engine_observer.h"
#include "loader/engine/engine_stats.h"
#include "loader/engine/held_unit.h"
#include "loader/engine/operation_table.h"
#include "loader/engine/turn_queue.h"
#include "loader/engine/unit_state.h"
#include "loader/engine/unit_tiers.h"
#include "loader/io/block_reader.h"

namespace ecf8 {

// All of them outlive the core.
struct EngineParts {
  BlockReader* reader = nullptr;
  Device* device = nullptr;
  TierParts tiers{};
  std::vector<EngineObserver*> observers{};
};

// Units that are read or decoded at once, at most.
inline constexpr size_t kMaxActiveUnits = 32;

// Thread-compatible.
class EngineCore {
 public:
  explicit EngineCore(const EngineParts& parts);
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;
  // Nothing is in flight and nothing is held.
  ~EngineCore();

  // Opens the model's shards with the reader and gives the model a number.
  absl::StatusOr<uint32_t> AddModel(std::shared_ptr<const CompressedModel> model);

  // A hold to give to Acquire. RESOURCE_EXHAUSTED, with the shortfall, where the unit can never
  // fit. Thread-safe once the models are added.
  absl::StatusOr<std::shared_ptr<HeldUnit>> MakeHold(UnitRequest request) const;

  // Asks for the hold's unit: what becomes of it, the hold tells.
  void Acquire(const std::shared_ptr<HeldUnit>& held);

  // Makes what was asked for earlier more urgent: a hint that has become a demand, say.
  void Raise(const std::shared_ptr<HeldUnit>& held, Priority priority);

  // Ends a hold, in whatever state: what it waited for or held is given back.
  void Release(const std::shared_ptr<HeldUnit>& held);

  void OnReadDone(const BlockReadDone& done);
  void OnJobDone(DeviceJobDone done);

  // Starts what can be started and tells the holders what is new.
  void Advance();

  // Whether requests wait for memory: then Tick is to be called every kTickMs. Holds that may be
  // revoked and were not used from one tick to the next but one lose their memory.
  bool wants_ticks() const { return blocked_; }
  void Tick();
  static constexpr int kTickMs = 100;

  // Requests all ended, nothing in flight.
  bool idle() const { return request_count_ == 0 && reads_.in_use() == 0 && jobs_.in_use() == 0; }

  EngineStats stats() const;

 private:
  struct Model {
    std::shared_ptr<const CompressedModel> model;
    std::vector<uint32_t> files;
  };

  // engine_core.cc: requests.
  UnitState& FindOrMake(const HeldUnit& held);
  UnitState* Find(const HeldUnit& held);
  void SetPriority(UnitState& unit, UnitForm form, Priority priority);
  void Abandon(UnitState& unit, UnitForm form);
  static Turn TurnOf(UnitState& unit, UnitForm form);
  void Tell(const std::shared_ptr<HeldUnit>& held) { news_.push_back(held); }
  // Of `event`, what the kind alone has; the rest is the unit's.
  void Observe(EngineEvent::Kind kind, UnitState& unit, UnitForm form, EngineEvent event = {});

  // engine_memory.cc: who gets memory.
  enum class StartResult : uint8_t { kStarted, kBusy, kNoMemory };
  void StartWaiting();
  bool StartOneOf(Priority priority);
  StartResult Start(Turn turn);
  void RevokeIdle(FormState& form);

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
  std::vector<Model> models_;
  UnitTiers tiers_;
  TurnQueue waiting_;      // for memory
  std::set<Turn> active_;  // kFilling
  uint64_t next_sequence_ = 0;
  size_t request_count_ = 0;
  bool blocked_ = false;  // somebody waits for memory that is in use
  bool hungry_ = false;   // and that not for a mere hint: idle holds have to give way
  bool retry_ = false;    // who waits may be luckier now
  OperationTable reads_;
  OperationTable jobs_;
  std::vector<std::shared_ptr<HeldUnit>> news_;
  EngineStats stats_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_CORE_H_
