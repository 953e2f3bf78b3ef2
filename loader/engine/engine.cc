#include "loader/engine/engine.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/thread.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

// About what one NVMe disk reads: what the policies weigh against copying and decoding.
constexpr double kReadBytesPerSecond = 5e9;

// That wait for copies to owners' runs, which the device does.
constexpr int kCopierThreads = 2;
// After which slots that lack memory are tried to be given it again.
constexpr std::chrono::milliseconds kRefillAfter(1000);

// That wait for being closed; more are closed by the loop itself.
constexpr size_t kMaxModelsToClose = 256;

// A copy that shares no memory with `status`; see HeldUnit::Failure.
absl::Status Detached(const absl::Status& status) {
  return absl::Status(status.code(), std::string(status.message()));
}

}  // namespace

void UnitLease::Release() {
  if (held_ != nullptr) engine_->Release(std::move(held_));
}

void PinHold::Keep() {
  if (set_ == nullptr) return;
  engine_->Tell([set = set_](EngineCore& core) {
    core.Pin(*set, PinReason::kKept).IgnoreError();  // what is held fits, if its model is served
  });
}

void PinHold::Release() {
  if (set_ == nullptr) return;
  engine_->Tell([set = std::move(set_)](EngineCore& core) { core.Unpin(*set, PinReason::kHeld); });
}

void UnitLease::Raise(Priority priority) const { engine_->Raise(held_, priority); }

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(
    const EngineOptions& options,
    const std::vector<std::shared_ptr<const CompressedModel>>& models) {
  std::unique_ptr<Engine> engine(new Engine);
  ECF8_RETURN_IF_ERROR(engine->Open(options, models));
  return engine;
}

absl::Status Engine::Open(const EngineOptions& options,
                          const std::vector<std::shared_ptr<const CompressedModel>>& models) {
  max_requests_ = options.max_requests;
  ECF8_RETURN_IF_ERROR(TakeDevice(options));
  slots_.emplace(device_->slot_memory_dev(), device_->shared_slots().generations);
  grants_.emplace(slots_->capacity_bytes());
  frames_.emplace(device_->frame_memory_dev(), kDeviceFrameBytes);
  const uint64_t scratch_bytes = device_->info().host_scratch_bytes;
  if (options.host_budget_bytes <= scratch_bytes + kHugePageBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a host budget of ", options.host_budget_bytes, " bytes is less than the ",
                     scratch_bytes + kHugePageBytes, " that decoding takes"));
  }
  if (device_->slot_runs() != nullptr) {
    run_worker_.emplace(/*threads=*/1, kMaxQuestions);
    copier_.emplace(kCopierThreads, max_requests_);
  }
  ECF8_ASSIGN_OR_RETURN(reader_, OpenBlockReader(options.reader, *this));
  closer_.emplace(/*threads=*/1, kMaxModelsToClose);
  ECF8_RETURN_IF_ERROR(OpenArena(options, options.host_budget_bytes - scratch_bytes));
  host_policy_ = MakeSchedulePolicy(arena_->capacity_bytes());
  device_policy_ = MakeSchedulePolicy(frames_->capacity_bytes());
  slot_policy_ = MakeSchedulePolicy(slots_->capacity_bytes());
  costs_ = device_->info().costs;
  costs_.read_seconds_per_stored_byte = 1 / kReadBytesPerSecond;
  core_.emplace(
      EngineParts{.reader = reader_.get(),
                  .device = device_.get(),
                  .tiers = {.arena = arena_.get(),
                            .frames = &*frames_,
                            .slots = &*slots_,
                            .grants = &*grants_,
                            .host_policy = host_policy_.get(),
                            .device_policy = device_policy_.get(),
                            .slot_policy = slot_policy_.get(),
                            .costs = costs_,
                            .ledger = kept_ ? &kept_->ledger() : nullptr,
                            .kept = kept_ ? kept_->units() : std::vector<LedgerUnit>()},
                  .observers = options.observers,
                  .on_forgotten = [this](EngineModelFiles model) { CloseSoon(std::move(model)); }});
  ECF8_ASSIGN_OR_RETURN(loop_, StartThread("no thread for the engine", [this] { Run(); }));
  for (const auto& model : models) {
    ECF8_ASSIGN_OR_RETURN(std::shared_ptr<EngineModel> added, AddModel(model));
    models_.push_back(std::move(added));
  }
  return arena_->StartTouching(options.touch_threads, [this](absl::Span<uint8_t> memory) {
    reader_->RegisterMemory(memory);
    device_->RegisterHostMemory(memory);
  });
}

absl::Status Engine::TakeDevice(const EngineOptions& options) {
  if (options.make_device) {
    ECF8_ASSIGN_OR_RETURN(device_, options.make_device(*this));
    return absl::OkStatus();
  }
  ECF8_ASSIGN_OR_RETURN(OpenedDevice opened,
                        OpenDevice({.name = options.device,
                                    .slot_budget_bytes = options.slot_budget_bytes,
                                    .frame_budget_bytes = options.device_budget_bytes,
                                    .threads = options.decode_threads,
                                    .cores = options.decode_cores,
                                    .touch = options.touch_threads > 0,
                                    .cuda = options.cuda},
                                   *this));
  device_ = std::move(opened.device);
  device_fallback_reason_ = std::move(opened.fallback_reason);
  return absl::OkStatus();
}

// Where memory cannot be kept it is this process's own.
absl::Status Engine::OpenArena(const EngineOptions& options, uint64_t budget_bytes) {
  ArenaOptions arena;
  arena.budget_bytes = budget_bytes / kHugePageBytes * kHugePageBytes;
  arena.lock = options.lock_memory;
  arena.calls = options.memory_calls;
  if (options.descriptors != nullptr) {
    absl::StatusOr<std::unique_ptr<KeptMemory>> kept =
        KeptMemory::Open(*options.descriptors, arena.budget_bytes);
    kept_info_.is_kept = kept.ok();
    if (kept.ok()) {
      kept_ = *std::move(kept);
      arena.fd = kept_->fd();
      kept_info_.discarded = kept_->discarded();
      kept_info_.units = kept_->units().size();
      for (const LedgerUnit& unit : kept_->units()) kept_info_.bytes += unit.stored_size_bytes;
    } else {
      kept_info_.problem = std::string(kept.status().message());
    }
  }
  ECF8_ASSIGN_OR_RETURN(arena_, Arena::Create(arena));
  return absl::OkStatus();
}

Engine::~Engine() {
  models_.clear();
  if (loop_.joinable()) {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      news_.NotifyOne();
    }
    loop_.join();
  }
  if (arena_ != nullptr) arena_->StopTouching();
  core_.reset();
}

absl::StatusOr<std::shared_ptr<EngineModel>> Engine::AddModel(
    std::shared_ptr<const CompressedModel> model, std::optional<uint32_t> replaced) {
  ECF8_ASSIGN_OR_RETURN(EngineModelFiles opened, OpenModelFiles(*reader_, model));
  absl::Status status;
  uint32_t number = 0;
  RunInLoop([&] {
    status = core_->CheckRoomFor(*model, replaced);
    if (status.ok()) number = core_->AddModel(std::move(opened));
  });
  if (!status.ok()) {
    CloseModelFiles(*reader_, opened);
    return status;
  }
  return std::make_shared<EngineModel>(*this, number, std::move(model));
}

void Engine::RetireModel(uint32_t number) {
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    mail_.calls.push_back({.kind = Call::Kind::kRetireModel, .model = number});
  });
}

void Engine::ForgetModel(uint32_t number) {
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    mail_.calls.push_back({.kind = Call::Kind::kForgetModel, .model = number});
  });
}

void Engine::CloseSoon(EngineModelFiles model) {
  const auto closing = std::make_shared<EngineModelFiles>(std::move(model));
  const bool taken = closer_->TrySubmit([this, closing] { CloseModelFiles(*reader_, *closing); });
  if (!taken) CloseModelFiles(*reader_, *closing);
}

template <typename Put>
void Engine::Post(Put put) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = mail_.empty();
    put();
  }
  if (first) news_.NotifyOne();
}

absl::StatusOr<UnitLease> Engine::Acquire(UnitRequest request) {
  ECF8_ASSIGN_OR_RETURN(std::shared_ptr<HeldUnit> held, core_->MakeHold(std::move(request)));
  bool taken = false;
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    taken = requests_ < max_requests_;
    if (!taken) return;
    ++requests_;
    mail_.calls.push_back({.kind = Call::Kind::kAcquire, .held = held});
  });
  if (taken) return UnitLease(this, std::move(held));
  return WithErrorInfo(
      absl::ResourceExhaustedError("too many units are held or waited for: try again later"),
      {.reason = ErrorReason::kOverloaded, .model = held->model().name()});
}

void Engine::Raise(std::shared_ptr<HeldUnit> held, Priority priority) {
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    mail_.calls.push_back(
        {.kind = Call::Kind::kRaise, .held = std::move(held), .priority = priority});
  });
}

void Engine::Release(std::shared_ptr<HeldUnit> held) {
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    --requests_;
    mail_.calls.push_back({.kind = Call::Kind::kRelease, .held = std::move(held)});
  });
}

void Engine::OnReadsDone(absl::Span<const BlockReadDone> done) {
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const BlockReadDone& read : done) mail_.reads.push_back({read.tag, Detached(read.status)});
  });
}

void Engine::OnJobDone(DeviceJobDone done) {
  done.status = Detached(done.status);  // a device may say the same to many jobs
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { mail_.jobs.push_back(std::move(done)); });
}

absl::Status Engine::Ask(std::function<void(EngineCore&)> question) {
  MutexLock lock(mutex_);
  if (mail_.tasks.size() >= kMaxQuestions) {
    return WithErrorInfo(
        absl::ResourceExhaustedError("too many ask the engine at once: try again later"),
        {.reason = ErrorReason::kOverloaded});
  }
  mail_.tasks.push_back(std::move(question));
  news_.NotifyOne();
  return absl::OkStatus();
}

void Engine::Tell(std::function<void(EngineCore&)> task) {
  Post([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { mail_.tasks.push_back(std::move(task)); });
}

void Engine::RunInLoop(const std::function<void()>& task) {
  Mutex mutex;
  CondVar changed;
  bool done = false;
  Tell([&](EngineCore& /*core*/) {
    task();
    MutexLock lock(mutex);
    done = true;
    changed.NotifyAll();  // under the lock: the waiter's stack has both
  });
  MutexLock lock(mutex);
  while (!done) changed.Wait(lock);
}

absl::Status Engine::HoldPins(UnitSet set, std::function<void(absl::StatusOr<PinHold>)> on_answer) {
  return Ask([this, set = std::make_shared<const UnitSet>(std::move(set)),
              on_answer = std::move(on_answer)](EngineCore& core) {
    absl::Status status = core.Pin(*set, PinReason::kHeld).status();
    if (!status.ok()) return on_answer(std::move(status));
    on_answer(PinHold(this, set));
  });
}

std::vector<PinnedModel> Engine::pins() const {
  MutexLock lock(mutex_);
  return pins_;
}

std::vector<TierHeat> Engine::ExportHeat(uint32_t model) {
  std::vector<TierHeat> heat;
  RunInLoop([&] {
    for (const auto& [tier, policy] : Policies()) {
      heat.push_back({tier, policy->ExportHeat(model), policy->DemandCount(model)});
    }
  });
  return heat;
}

void Engine::ImportHeat(uint32_t model, const std::vector<TierHeat>& heat) {
  RunInLoop([&] {
    for (const auto& [tier, policy] : Policies()) {
      for (const TierHeat& learned : heat) {
        if (learned.tier == tier) policy->ImportHeat(model, learned.chances);
      }
    }
  });
}

void Engine::WaitUntilTouched() {
  arena_->WaitUntilTouched();
  device_->WaitUntilTouched();
}

EngineStats Engine::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

void Engine::Run() {
  const Clock::time_point begin = Clock::now();
  Clock::time_point last_tick = begin;
  Clock::time_point last_refill = begin;
  constexpr std::chrono::milliseconds kTick(EngineCore::kTickMs);
  while (true) {
    Mail mail;
    {
      MutexLock lock(mutex_);
      stats_ = core_->stats();
      if (pin_changes_ != core_->pin_changes()) {
        pin_changes_ = core_->pin_changes();
        pins_ = core_->ListPins();
      }
      bool ticked = false;
      while (mail_.empty() && !ticked) {
        if (stopping_ && core_->idle()) return;
        if (core_->wants_ticks() || core_->missing_slot_bytes() > 0) {
          ticked = !news_.WaitUntil(lock, last_tick + kTick);
        } else {
          news_.Wait(lock);
        }
      }
      mail = std::exchange(mail_, {});
    }
    core_->SetTime(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count()));
    Deliver(std::move(mail));
    if (Clock::now() >= last_tick + kTick) {
      last_tick = Clock::now();
      core_->Tick();
    }
    if (core_->missing_slot_bytes() > 0 && Clock::now() >= last_refill + kRefillAfter) {
      last_refill = Clock::now();
      RefillSlots();
    }
    core_->Advance();
  }
}

void Engine::Deliver(Mail mail) {
  for (const BlockReadDone& done : mail.reads) core_->OnReadDone(done);
  for (DeviceJobDone& done : mail.jobs) core_->OnJobDone(std::move(done));
  for (const std::function<void(EngineCore&)>& task : mail.tasks) task(*core_);
  for (const Call& call : mail.calls) {
    switch (call.kind) {
      case Call::Kind::kAcquire:
        core_->Acquire(call.held);
        break;
      case Call::Kind::kRaise:
        core_->Raise(call.held, call.priority);
        break;
      case Call::Kind::kRelease:
        core_->Release(call.held);
        break;
      case Call::Kind::kRetireModel:
        core_->RetireModel(call.model);
        break;
      case Call::Kind::kForgetModel:
        core_->ForgetModel(call.model);
        break;
    }
  }
}

}  // namespace ecf8
