// Random clients on a bad disk and a bad device, in virtual time. A run is told by its seed alone:
//
//   ECF8_SIMULATION_RUNS=10000 engine_simulation_test
//   ECF8_SIMULATION_SEED=4711 ECF8_SIMULATION_RUNS=1 engine_simulation_test

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/loader/engine/simulated_engine.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// What is pinned in host memory and on the device does not go.
class PinWatcher final : public EngineObserver {
 public:
  void OnEvent(const EngineEvent& event) override {
    if (event.kind != EngineEvent::Kind::kEvicted || AreSlots(event.tier)) return;
    EXPECT_FALSE(pinned.contains({event.tier, event.key})) << event.unit->id;
  }

  std::set<std::pair<Tier, uint64_t>> pinned;
};

// One client: asks, looks at what it gets, and lets go, now or then.
struct Client {
  std::shared_ptr<HeldUnit> held;
  size_t checked_parts = 0;
  bool done = false;  // ready, failed, or no longer interested
};

class Scenario {
 public:
  Scenario(const ExpectedModel& expected, uint64_t seed) : expected_(expected), random_(seed) {
    SimulationOptions options;
    options.host_bytes = Draw(2, 4) * (2 << 20);
    options.slot_bytes = Draw(2, 5) * (2 << 20);
    // None, some units, or all.
    options.device_bytes = Draw(0, 2) * Draw(0, 12) * (512 << 10);
    faulty_ = Draw(0, 3) > 0;
    options.reader.seed = random_();
    options.reader.queue_depth = static_cast<uint32_t>(Draw(1, 8));
    options.device.seed = random_();
    options.device.queue_depth = Draw(1, 4);
    options.device.host_job_bytes = Draw(1, 4) << 20;
    options.device.frames_job_bytes = Draw(0, 1) == 0 ? 1 << 20 : 256 << 20;
    options.device.late = Draw(0, 1) == 0 ? 0 : 0.02;
    if (faulty_) {
      options.reader.short_read = 0.2;
      options.reader.eintr = 0.1;
      options.reader.eagain = 0.1;
      options.reader.eio = 0.02;
      options.reader.truncated = 0.01;
      options.device.failure = 0.02;
      options.device.copy_failure = 0.02;
    }
    options.observers.push_back(&watcher_);
    engine_.emplace(expected, options);
  }

  void Go() {
    clients_.resize(Draw(1, 24));
    // Some come when nothing has been asked for in a while.
    const uint64_t later_us = Draw(0, 3) == 0 ? 1000 * UnitTiers::kUnusedAfterMs : 0;
    for (Client& client : clients_) {
      At(Draw(0, 20'000) + Draw(0, 1) * later_us, [this, &client] { Ask(client); });
    }
    if (Draw(0, 1) == 0) {
      for (uint64_t i = Draw(1, 12); i > 0; --i) At(Draw(0, 40'000), [this] { Command(); });
    }
    for (uint64_t i = Draw(0, 3); i > 0; --i) At(Draw(0, 20'000), [this] { ReplaceModel(); });
    if (faulty_ && Draw(0, 2) == 0) {
      At(Draw(0, 10'000), [this] { SetBadDisk(EIO); });
      At(Draw(10'000, 30'000), [this] { SetBadDisk(0); });
    }
    ASSERT_TRUE(engine_->RunUntilIdle()) << "no end";
    for (const Client& client : clients_) {
      ASSERT_TRUE(client.done) << "deadlock: " << client.held->unit().id;
    }
    if (!faulty_) {
      EXPECT_EQ(engine_->core->stats().failed_units, 0u);
    }
    EndPins();
    CheckThatModelsGo();
  }

 private:
  uint64_t Draw(uint64_t from, uint64_t to) {
    return std::uniform_int_distribution<uint64_t>(from, to)(random_);
  }
  void At(uint64_t delay_us, std::function<void()> function) {
    engine_->time.At(delay_us, std::move(function));
  }
  void SetBadDisk(int error) { engine_->reader().SetError(expected_.shard_path(), error); }

  // The same weights, as another model; who has found the old one may ask for it a while longer.
  void ReplaceModel() {
    const uint32_t old = std::exchange(model_, engine_->AddModel());
    // Its pins end with it, whatever the reasons.
    std::erase_if(pins_, [&](const auto& pin) { return pin.first.model == old; });
    std::erase_if(watcher_.pinned,
                  [&](const auto& pinned) { return CacheKeyModel(pinned.second) == old; });
    engine_->RetireModel(old);
    retired_.push_back(old);
    WatchPins();
    EXPECT_FALSE(engine_->core->Pin({.model = old, .units = {0}}, PinReason::kHeld).ok());
    engine_->core->Unpin({.model = old, .units = {0}}, PinReason::kHeld);
    At(Draw(0, 5'000), [this, old] {
      std::erase(retired_, old);
      forgotten_.push_back(old);
      engine_->ForgetModel(old);
    });
  }

  // Nobody holds anything any more.
  void CheckThatModelsGo() {
    for (const uint32_t number : forgotten_) {
      EXPECT_EQ(engine_->core->MakeHold({.model = number}).status().code(),
                absl::StatusCode::kNotFound);
    }
    engine_->RetireModel(model_);
    ASSERT_TRUE(engine_->RunUntilIdle());
    const EngineStats stats = engine_->core->stats();
    for (const TierStats& tier : {stats.host, stats.device, stats.slots}) {
      EXPECT_EQ(tier.units, 0u);
      EXPECT_EQ(tier.free_bytes, tier.capacity_bytes);
    }
  }

  void Ask(Client& client) {
    UnitRequest request;
    request.model = model_;
    if (!retired_.empty() && Draw(0, 2) == 0) request.model = retired_.front();
    // A few units are asked for by many.
    request.unit_index =
        static_cast<uint32_t>(std::min(Draw(0, 9), Draw(0, expected_.model->unit_count() - 1)));
    using enum UnitForm;
    request.form = std::array{kStored, kDecoded, kDecoded, kStoredInSlot}[Draw(0, 3)];
    request.priority = static_cast<Priority>(Draw(0, 2));
    request.for_frames = request.priority == Priority::kPreload &&
                         request.form == UnitForm::kDecoded && Draw(0, 1) == 0;
    request.flow = Draw(0, 3);
    request.revocable = Draw(0, 1) == 0;
    request.on_progress = [this, &client] { At(0, [this, &client] { Look(client); }); };
    client.held = engine_->Acquire(std::move(request));
    if (Draw(0, 4) == 0) At(Draw(0, 5000), [this, &client] { LetGo(client); });
  }

  // Of an operator, a preload that pins, or a resident session.
  void Command() {
    UnitSet set{.model = model_, .tier = static_cast<Tier>(Draw(0, 3))};
    for (uint32_t i = 0; i < expected_.model->unit_count(); ++i) {
      if (Draw(0, 3) == 0) set.units.push_back(i);
    }
    const auto reason = static_cast<PinReason>(Draw(0, 1));
    switch (Draw(0, 3)) {
      case 0:
      case 1:
        if (engine_->core->Pin(set, reason).ok()) pins_.emplace_back(set, reason);
        break;
      case 2:
        if (!pins_.empty()) Unpin(Draw(0, pins_.size() - 1));
        break;
      default: {
        const EvictReport report = engine_->core->Evict(set);
        EXPECT_LE(report.freed.units + report.in_use.units + report.pinned.units, set.units.size());
      }
    }
    WatchPins();
    engine_->AdvanceSoon();
  }

  void Unpin(size_t number) {
    const UnitSet set = pins_[number].first;  // clang 14 lets no lambda have a structured binding
    const PinReason reason = pins_[number].second;
    pins_.erase(pins_.begin() + static_cast<int64_t>(number));
    engine_->core->Unpin(set, reason);
    if (reason == PinReason::kHeld) return;
    // Who wanted them kept has said otherwise, whoever else had said so.
    for (auto& [other, other_reason] : pins_) {
      if (other_reason == PinReason::kHeld || other.tier != set.tier) continue;
      if (other.model != set.model) continue;
      std::erase_if(other.units, [&](uint32_t unit) {
        return std::find(set.units.begin(), set.units.end(), unit) != set.units.end();
      });
    }
  }

  void WatchPins() {
    watcher_.pinned.clear();
    for (const auto& [set, reason] : pins_) {
      for (const uint32_t unit : set.units) {
        watcher_.pinned.emplace(set.tier, CacheKey(set.model, unit));
      }
    }
    const EngineStats stats = engine_->core->stats();
    EXPECT_EQ(stats.host.pinned.units + stats.device.pinned.units + stats.slots.pinned.units,
              watcher_.pinned.size());
    EXPECT_EQ(engine_->grants().free_bytes(),
              stats.slots.capacity_bytes - stats.slots.pinned.bytes);
  }

  void EndPins() {
    while (!pins_.empty()) Unpin(pins_.size() - 1);
    WatchPins();
    EXPECT_EQ(engine_->core->ListPins().size(), 0u);
  }

  void Look(Client& client) {
    if (client.done) return;
    HeldUnit& held = *client.held;
    engine_->CheckReadyParts(held, &client.checked_parts);
    const bool over = !held.status().ok() || held.ready() || held.declined();
    if (!held.status().ok()) CheckError(held);
    if (held.declined()) {
      EXPECT_EQ(held.request().priority, Priority::kPreload);
    }
    if (over) At(Draw(0, 3000), [this, &client] { LetGo(client); });
  }

  void LetGo(Client& client) {
    if (std::exchange(client.done, true)) return;
    engine_->CheckReadyParts(*client.held, &client.checked_parts);
    engine_->Release(client.held);
  }

  // An error has a cause, in the unit that it names.
  void CheckError(const HeldUnit& held) {
    const auto info = GetErrorInfo(held.status());
    ASSERT_TRUE(info.has_value()) << held.status();
    EXPECT_EQ(info->unit, held.unit().id);
    const uint64_t begin = held.unit().offset_bytes;
    const uint64_t end = begin + held.unit().stored_size_bytes;
    bool caused = engine_->device().failed_units().contains(&held.unit());
    for (const auto& failure : engine_->reader().failures()) {
      caused = caused || (failure.read.offset_bytes >= begin && failure.read.offset_bytes < end);
    }
    EXPECT_TRUE(caused) << held.status();
  }

  const ExpectedModel& expected_;
  std::mt19937_64 random_;
  bool faulty_ = false;
  uint32_t model_ = 0;
  std::vector<uint32_t> retired_;
  std::vector<uint32_t> forgotten_;
  std::vector<Client> clients_;
  PinWatcher watcher_;
  std::vector<std::pair<UnitSet, PinReason>> pins_;
  std::optional<SimulatedEngine> engine_;  // last: it goes first, and checks that nothing is left
};

TEST(EngineSimulation, EveryByteIsRightAndEveryErrorHasItsCause) {
  const ExpectedModel expected({.layers = 10, .projection_rows = 1100});
  const uint64_t first = FromEnvironment("ECF8_SIMULATION_SEED", 1);
  const uint64_t runs = FromEnvironment("ECF8_SIMULATION_RUNS", 200);
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scenario scenario(expected, seed);
    scenario.Go();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ecf8
