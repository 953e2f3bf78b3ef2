// An EngineCore with a disk and a device in virtual time, over one small model, or more.
#ifndef ECF8_TESTS_LOADER_ENGINE_SIMULATED_ENGINE_H_
#define ECF8_TESTS_LOADER_ENGINE_SIMULATED_ENGINE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loader/base/beneath.h"
#include "loader/cache/schedule_policy.h"
#include "loader/engine/engine_core.h"
#include "loader/memory/kept_memory.h"
#include "tests/loader/engine/event_checker.h"
#include "tests/support/fake_device.h"
#include "tests/support/faulty_block_reader.h"
#include "tests/support/small_model.h"
#include "tests/support/temp_dir.h"
#include "tests/support/virtual_time.h"

namespace ecf8::testing {

// A model in memory, with what every unit holds in each form.
struct ExpectedModel {
  std::shared_ptr<const CompressedModel> model;
  std::string shard;                 // the bytes of its one shard
  std::vector<std::string> decoded;  // by unit: the decoded layout, gaps as zeros

  explicit ExpectedModel(const SmallModelOptions& options, const std::string& name = "small") {
    const TensorBytes tensors = MakeCompressedModel(directory_.path(), name, options);
    model = OpenModel(directory_ / name);
    shard = ReadFile(shard_path());
    for (uint32_t i = 0; i < model->unit_count(); ++i) {
      std::string bytes(model->unit(i).decoded_size_bytes, '\0');
      for (const Piece& piece : model->unit(i).pieces) {
        tensors.at(piece.tensor)
            .copy(bytes.data() + piece.decoded_offset_bytes, piece.decoded_size_bytes,
                  piece.tensor_offset_bytes);
      }
      decoded.push_back(std::move(bytes));
    }
  }

  // As the engine opens it.
  std::string shard_path() const { return ReopenPath(model->shards()[0].file.fd()); }

  // What CopyPart must give.
  std::string_view Part(uint32_t unit_index, UnitForm form, const UnitPart& part) const {
    if (form == UnitForm::kDecoded) {
      return std::string_view(decoded[unit_index])
          .substr(part.decoded_offset_bytes, part.decoded_size_bytes);
    }
    return std::string_view(shard).substr(
        model->unit(unit_index).offset_bytes + part.stored_offset_bytes, part.stored_size_bytes);
  }

 private:
  TempDir directory_;
};

struct SimulationOptions {
  uint64_t host_bytes = 8 << 20;
  uint64_t device_bytes = 0;
  uint64_t slot_bytes = 8 << 20;
  double read_seconds_per_stored_byte = 1 / 7e9;  // as the policies know it
  FaultyReaderOptions reader{};
  FakeDeviceOptions device{};
  std::vector<EngineObserver*> observers{};
  KeptMemory* kept = nullptr;  // of just host_bytes, to have the arena in; outlives the engine
};

class SimulatedEngine final : public BlockReadSink, public DeviceSink {
 public:
  SimulatedEngine(const ExpectedModel& expected, const SimulationOptions& options)
      : SimulatedEngine(std::vector{&expected}, options) {}

  // The models get the numbers 0, 1, ... in order.
  SimulatedEngine(const std::vector<const ExpectedModel*>& models, SimulationOptions options)
      : models_(models) {
    ArenaOptions arena;
    arena.budget_bytes = options.host_bytes;
    arena.lock = false;
    if (options.kept != nullptr) arena.fd = options.kept->fd();
    arena_ = *Arena::Create(arena);
    options.device.slot_bytes = options.slot_bytes;
    options.device.frame_bytes = options.device_bytes;
    device_.emplace(options.device, time, *this);
    frames_.emplace(device_->frame_memory_dev(), kDeviceFrameBytes);
    slots_.emplace(device_->slot_memory_dev());
    grants_.emplace(slots_->capacity_bytes());
    reader_.emplace(options.reader, time, *this);
    for (const ExpectedModel* const model : models_) {
      reader_->SetContent(model->shard_path(), model->shard);
    }
    host_policy_ = MakeSchedulePolicy(arena_->capacity_bytes());
    device_policy_ = MakeSchedulePolicy(frames_->capacity_bytes());
    slot_policy_ = MakeSchedulePolicy(slots_->capacity_bytes());
    FormCosts costs = device_->info().costs;
    costs.read_seconds_per_stored_byte = options.read_seconds_per_stored_byte;
    options.observers.push_back(&checker_);
    core.emplace(EngineParts{
        .reader = &*reader_,
        .device = &*device_,
        .tiers = {.arena = arena_.get(),
                  .frames = &*frames_,
                  .slots = &*slots_,
                  .grants = &*grants_,
                  .host_policy = host_policy_.get(),
                  .device_policy = device_policy_.get(),
                  .slot_policy = slot_policy_.get(),
                  .costs = costs,
                  .ledger = options.kept ? &options.kept->ledger() : nullptr,
                  .kept = options.kept ? options.kept->units() : std::vector<LedgerUnit>()},
        .observers = options.observers});
    for (uint32_t i = 0; i < models_.size(); ++i) EXPECT_EQ(AddModel(*models_[i]), i);
  }

  // Everything must have been given back.
  ~SimulatedEngine() override {
    EXPECT_TRUE(core->idle());
    core.reset();
    EXPECT_EQ(arena_->free_bytes(), arena_->capacity_bytes());
    EXPECT_EQ(frames_->free_bytes(), frames_->capacity_bytes());
    EXPECT_EQ(slots_->free_bytes(), slots_->capacity_bytes());
  }

  // The first model under another number.
  uint32_t AddModel() { return AddModel(*models_[0]); }
  void RetireModel(uint32_t number) {
    core->RetireModel(number);
    AdvanceSoon();
  }
  void ForgetModel(uint32_t number) {
    core->ForgetModel(number);
    AdvanceSoon();
  }

  std::shared_ptr<HeldUnit> Acquire(UnitRequest request) {
    TellTime();
    auto held = core->MakeHold(std::move(request));
    EXPECT_TRUE(held.ok()) << held.status();
    core->Acquire(*held);
    AdvanceSoon();
    return *held;
  }
  void Release(const std::shared_ptr<HeldUnit>& held) {
    core->Release(held);
    AdvanceSoon();
  }

  // Runs until nothing more happens. False where the time is up before.
  bool RunUntilIdle(uint64_t limit_us = 3'600'000'000) {
    while (time.RunNext()) {
      if (time.now_us() > limit_us) return false;
    }
    return true;
  }

  // The ready parts of `held`, from `*checked` on, hold what they must. Revoked holds check
  // nothing.
  void CheckReadyParts(HeldUnit& held, size_t* checked) const {
    const UnitRequest& request = held.request();
    for (; *checked < held.ready_parts(); ++*checked) {
      const UnitPart& part = held.parts()[*checked];
      const std::string_view want =
          model_of_.at(request.model)->Part(request.unit_index, request.form, part);
      std::string got(want.size(), '\0');
      if (!held.CopyPart(*checked, reinterpret_cast<uint8_t*>(got.data()))) return;
      ASSERT_EQ(got == want, true) << held.unit().id << ", part " << *checked;
    }
  }

  FaultyBlockReader& reader() { return *reader_; }
  FakeDevice& device() { return *device_; }
  SlotGrants& grants() { return *grants_; }

  // After what was done to the core directly.
  void AdvanceSoon() {
    if (std::exchange(advancing_, true)) return;
    time.At(1, [this] {
      advancing_ = false;
      TellTime();
      core->Advance();
      TickWhileWanted();
    });
  }

  VirtualTime time;
  std::optional<EngineCore> core;

 private:
  void OnReadsDone(absl::Span<const BlockReadDone> done) override {
    for (const BlockReadDone& read : done) core->OnReadDone(read);
    AdvanceSoon();
  }
  void OnJobDone(DeviceJobDone done) override {
    core->OnJobDone(std::move(done));
    AdvanceSoon();
  }
  uint32_t AddModel(const ExpectedModel& model) {
    auto opened = OpenModelFiles(*reader_, model.model);
    EXPECT_TRUE(opened.ok()) << opened.status();
    const uint32_t number = core->AddModel(*std::move(opened));
    model_of_[number] = &model;
    return number;
  }
  void TellTime() { core->SetTime(time.now_us() / 1000); }
  void TickWhileWanted() {
    if (!core->wants_ticks() || std::exchange(ticking_, true)) return;
    time.At(EngineCore::kTickMs * 1000, [this] {
      ticking_ = false;
      TellTime();
      core->Tick();
      core->Advance();
      TickWhileWanted();
    });
  }

  const std::vector<const ExpectedModel*> models_;
  std::map<uint32_t, const ExpectedModel*> model_of_;  // by number
  EventChecker checker_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<CachePolicy> host_policy_;
  std::unique_ptr<CachePolicy> device_policy_;
  std::unique_ptr<CachePolicy> slot_policy_;
  std::optional<FakeDevice> device_;
  std::optional<FrameSpace> frames_;
  std::optional<SlotSpace> slots_;
  std::optional<SlotGrants> grants_;
  std::optional<FaultyBlockReader> reader_;
  bool advancing_ = false;
  bool ticking_ = false;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_ENGINE_SIMULATED_ENGINE_H_
