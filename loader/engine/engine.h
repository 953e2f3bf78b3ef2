// The streaming engine: units of models, from disk to memory to decoded, bounded and asynchronous.
//
//   ECF8_ASSIGN_OR_RETURN(auto engine, Engine::Start(options, models));
//   ECF8_ASSIGN_OR_RETURN(UnitLease lease, engine->Acquire({.model = 0, .unit_index = 7,
//                                                           .on_progress = [=] { wake(); }}));
//   ... when lease->ready(): lease->CopyPart(...) ...; destroying the lease gives the unit back.
//
// One thread runs the decisions (EngineCore); the reader and the device have their own and only
// leave word. Nothing here waits for a client.
#ifndef ECF8_LOADER_ENGINE_ENGINE_H_
#define ECF8_LOADER_ENGINE_ENGINE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/descriptor_store.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/cache/form_costs.h"
#include "loader/cache/schedule_policy.h"
#include "loader/engine/device.h"
#include "loader/engine/engine_core.h"
#include "loader/engine/engine_model.h"
#include "loader/engine/engine_observer.h"
#include "loader/engine/engine_run.h"
#include "loader/engine/engine_stats.h"
#include "loader/engine/held_unit.h"
#include "loader/engine/open_device.h"
#include "loader/engine/pin_hold.h"
#include "loader/engine/residency.h"
#include "loader/engine/slot_grants.h"
#include "loader/io/block_reader.h"
#include "loader/memory/arena.h"
#include "loader/memory/frame_space.h"
#include "loader/memory/kept_memory.h"
#include "loader/memory/memory_calls.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {

struct EngineOptions {
  std::string device = "host";                     // as DeviceOptions::name
  uint64_t host_budget_bytes = uint64_t{1} << 30;  // the arena, and the decoder's scratch memory
  uint64_t device_budget_bytes = 0;  // frames of the device, for compressed units; 0: none
  uint64_t slot_budget_bytes = uint64_t{512} << 20;
  int decode_threads = 0;           // 0: one a core
  std::vector<int> decode_cores{};  // to pin them to
  BlockReaderOptions reader{};
  bool lock_memory = false;                  // the arena
  int touch_threads = 1;                     // that touch the arena after the start; 0: none
  size_t max_requests = 4096;                // held or waiting at once
  std::vector<EngineObserver*> observers{};  // outlive the engine
  CudaCalls* cuda = nullptr;                 // for tests, as DeviceOptions::cuda
  // For benchmarks: what to take instead of a device of that name, and of the system's memory for
  // the arena; the latter outlives the engine.
  std::function<absl::StatusOr<std::unique_ptr<Device>>(DeviceSink& sink)> make_device{};
  MemoryCalls* memory_calls = nullptr;
  // Where the arena's memory waits for the next process; null: it goes with this one. Outlives the
  // engine.
  DescriptorStore* descriptors = nullptr;
};

// Of the arena's memory, where it is to outlive the process.
struct KeptInfo {
  bool is_kept = false;
  uint64_t units = 0;  // that the process before has left in it, with their stored bytes
  uint64_t bytes = 0;
  std::string discarded;  // why what it has left is not used; empty where it is, or was nothing
  std::string problem;    // why memory is not kept, though it was to be
};

// What a tier's policy has learned of a model's experts.
struct TierHeat {
  std::string tier;            // "host", "device", "slots"
  std::vector<float> chances;  // by unit; SchedulePolicy::ExportHeat
  uint64_t demands = 0;        // since the start: none since an export means nothing new
};

class Engine;

// Holds a unit until it is destroyed or given back. Movable.
class UnitLease {
 public:
  UnitLease() = default;
  UnitLease(Engine* engine, std::shared_ptr<HeldUnit> held)
      : engine_(engine), held_(std::move(held)) {}
  UnitLease(UnitLease&& other) noexcept = default;
  UnitLease& operator=(UnitLease&& other) noexcept {
    Release();
    engine_ = other.engine_;
    held_ = std::move(other.held_);
    return *this;
  }
  ~UnitLease() { Release(); }

  explicit operator bool() const { return held_ != nullptr; }
  HeldUnit* operator->() const { return held_.get(); }
  HeldUnit& operator*() const { return *held_; }

  // As EngineCore::Raise.
  void Raise(Priority priority) const;
  void Release();

 private:
  Engine* engine_ = nullptr;
  std::shared_ptr<HeldUnit> held_;
};

// Thread-safe. Every lease and every model is given back before it is destroyed.
class Engine final : private BlockReadSink, private DeviceSink {
 public:
  // The models get the numbers 0, 1, ... in order, and stay.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(
      const EngineOptions& options,
      const std::vector<std::shared_ptr<const CompressedModel>>& models);
  ~Engine() override;

  // Opens the model's files once more, of what it has open, and gives it a number. Blocks for that.
  // RESOURCE_EXHAUSTED where there are no more files to open, or pins leave too little room for it
  // (EngineCore::CheckRoomFor).
  // `replaced`: the number of the one that is retired next, if there is one.
  absl::StatusOr<std::shared_ptr<EngineModel>> AddModel(
      std::shared_ptr<const CompressedModel> model, std::optional<uint32_t> replaced = {});
  // Those that it was started with.
  const std::vector<std::shared_ptr<EngineModel>>& models() const { return models_; }

  // For UnitRequest::flow: none had it before.
  uint64_t NewFlow() { return ++last_flow_; }

  // Never blocks. RESOURCE_EXHAUSTED where the unit can never fit (with the shortfall), or where
  // max_requests are held or waiting; NOT_FOUND where the engine knows no model of that number.
  absl::StatusOr<UnitLease> Acquire(UnitRequest request);

  // Has `question` called between two events of the loop, on its thread: it is short, and calls
  // nothing of the engine but what it is given, nor waits for anything. Never blocks.
  // RESOURCE_EXHAUSTED where kMaxQuestions wait.
  absl::Status Ask(std::function<void(EngineCore&)> question);
  static constexpr size_t kMaxQuestions = 256;

  // Pins all units of the set, or none, until the hold that `on_answer` is given ends. Errors of
  // EngineCore::Pin are told to `on_answer`, which is called on the loop's thread as a question of
  // Ask, whose errors are returned.
  absl::Status HoldPins(UnitSet set, std::function<void(absl::StatusOr<PinHold>)> on_answer);

  // Whether slots can be had as runs alone (slot_runs.h).
  bool gives_runs() const { return device_->slot_runs() != nullptr; }
  // Of the GPU that runs lie on.
  const std::array<uint8_t, 16>& gpu_uuid() const { return device_->slot_runs()->gpu_uuid(); }

  // A run of `most_bytes`, whole pages, or of what is left of them, but not less than
  // `least_bytes`. `on_run` is called once, on a thread of the engine's: with the run; with null,
  // and what is left, where that is less; or with an error, the device's or RESOURCE_EXHAUSTED,
  // where slots or memory were in use. Errors of Ask are returned. The run goes before the engine.
  using OnRun = std::function<void(absl::StatusOr<std::unique_ptr<EngineRun>>, RunRoom)>;
  absl::Status OpenRun(uint64_t least_bytes, uint64_t most_bytes, OnRun on_run);

  // Copies a decoded unit that is ready to the beginning of `to_dev`, part of a run that lives
  // until `on_done` is called, on a thread of the engine's. Ends the lease. Never blocks.
  void CopyToRun(UnitLease lease, absl::Span<uint8_t> to_dev,
                 std::function<void(absl::Status)> on_done);

  // What sessions and pins have of the slots.
  SlotGrants& slot_grants() { return *grants_; }
  const SlotGrants& slot_grants() const { return *grants_; }
  // What is pinned, by tier and model.
  std::vector<PinnedModel> pins() const;
  // Empty for one that was forgotten.
  std::string NameOfModel(uint32_t number) const { return core_->NameOfModel(number); }

  // Returns when the loop has answered: for watchdogs.
  void WaitForLoop() {
    RunInLoop([] {});
  }

  // Waits until the tiers' memory has been touched, or that has failed. The engine serves before.
  void WaitUntilTouched();

  // What the tiers' policies have learned of the experts of model `model`, to be kept and given
  // back to another engine, whose walk over the model is the same. Waits for the loop. A tier that
  // the other engine has not is left out.
  std::vector<TierHeat> ExportHeat(uint32_t model);
  void ImportHeat(uint32_t model, const std::vector<TierHeat>& heat);

  EngineStats stats() const;
  BlockReaderInfo reader_info() const { return reader_->info(); }
  const ArenaInfo& arena_info() const { return arena_->info(); }
  const KeptInfo& kept_info() const { return kept_info_; }
  const DeviceInfo& device_info() const { return device_->info(); }
  absl::Span<const uint8_t> slot_memory_dev() const { return device_->slot_memory_dev(); }
  SharedSlots shared_slots() const { return device_->shared_slots(); }
  // What the policies weigh.
  const FormCosts& form_costs() const { return costs_; }
  // Why the device "auto" is the host; empty where it is not.
  const std::string& device_fallback_reason() const { return device_fallback_reason_; }

 private:
  friend class EngineModel;
  friend class EngineRun;
  friend class PinHold;
  friend class UnitLease;

  // What the other threads have left for the loop. Bounded: by max_requests, two a model, the
  // depths of the reader's and the device's queues, kMaxQuestions, and the holds of pins that end.
  struct Call {
    enum class Kind : uint8_t { kAcquire, kRaise, kRelease, kRetireModel, kForgetModel };

    Kind kind = Kind::kAcquire;
    std::shared_ptr<HeldUnit> held{};       // of the first three
    Priority priority = Priority::kDemand;  // kRaise
    uint32_t model = 0;                     // of the last two
  };
  struct Mail {
    std::vector<Call> calls;  // in the order in which they were made
    std::vector<BlockReadDone> reads;
    std::vector<DeviceJobDone> jobs;
    std::vector<std::function<void(EngineCore&)>> tasks;

    bool empty() const { return calls.empty() && reads.empty() && jobs.empty() && tasks.empty(); }
  };

  Engine() = default;

  absl::Status Open(const EngineOptions& options,
                    const std::vector<std::shared_ptr<const CompressedModel>>& models);
  absl::Status TakeDevice(const EngineOptions& options);
  absl::Status OpenArena(const EngineOptions& options, uint64_t budget_bytes);
  // `put` adds to the mail, under the lock. Then the loop is woken, without it, where it has not
  // been since it last took the mail.
  template <typename Put>
  void Post(Put put);
  void Raise(std::shared_ptr<HeldUnit> held, Priority priority);
  void Release(std::shared_ptr<HeldUnit> held);
  void RetireModel(uint32_t number);
  void ForgetModel(uint32_t number);
  // Where it does not hold up the loop: the last to close a deleted file waits for its blocks to be
  // freed.
  void CloseSoon(EngineModelFiles model);
  // engine_run.cc
  void MakeRun(const RunRoom& room, const OnRun& on_run);
  void CloseRun(absl::Span<uint8_t> memory_dev);
  void EndRun(uint64_t run_bytes);
  void RefillSlots();
  void RunWork(std::function<void()> work);
  void OnReadsDone(absl::Span<const BlockReadDone> done) override;
  void OnJobDone(DeviceJobDone done) override;
  // The tiers' policies by name.
  std::vector<std::pair<std::string, SchedulePolicy*>> Policies() const {
    return {{"host", host_policy_.get()},
            {"device", device_policy_.get()},
            {"slots", slot_policy_.get()}};
  }
  // As Ask, but never refused.
  void Tell(std::function<void(EngineCore&)> task);
  // Tells, and waits until it is done.
  void RunInLoop(const std::function<void()>& task);
  void Run();
  void Deliver(Mail mail);

  size_t max_requests_ = 0;
  FormCosts costs_;
  std::atomic<uint64_t> last_flow_ = 0;

  mutable Mutex mutex_;
  CondVar news_;
  Mail mail_ ABSL_GUARDED_BY(mutex_);
  size_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  EngineStats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<PinnedModel> pins_ ABSL_GUARDED_BY(mutex_);
  uint64_t pin_changes_ = 0;  // the loop's: those that pins_ shows

  // In the order in which each needs those before it.
  std::unique_ptr<SchedulePolicy> host_policy_;
  std::unique_ptr<SchedulePolicy> device_policy_;
  std::unique_ptr<SchedulePolicy> slot_policy_;
  std::unique_ptr<KeptMemory> kept_;  // may be null
  KeptInfo kept_info_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Device> device_;
  std::string device_fallback_reason_;
  std::optional<FrameSpace> frames_;
  std::optional<SlotSpace> slots_;
  std::optional<SlotGrants> grants_;
  std::unique_ptr<BlockReader> reader_;
  std::optional<WorkerPool> closer_;
  std::optional<WorkerPool> run_worker_;  // this and the next where there are runs
  std::optional<WorkerPool> copier_;
  std::optional<EngineCore> core_;  // the loop's, once it runs; MakeHold anybody's
  std::thread loop_;
  std::vector<std::shared_ptr<EngineModel>> models_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_H_
