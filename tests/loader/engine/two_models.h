// A fixture: two models of eight layers, and what is done with their units in tiers.
#ifndef ECF8_TESTS_LOADER_ENGINE_TWO_MODELS_H_
#define ECF8_TESTS_LOADER_ENGINE_TWO_MODELS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "loader/engine/engine_core.h"
#include "tests/loader/engine/eight_layers.h"

namespace ecf8::testing {

inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint64_t kLayerFrames = 2 * kMiB;  // of the arena
inline constexpr uint64_t kLayerSlot = 4 * kMiB;

// Two models of eight equal layers: 0, "small", and 1, "other".
class TwoModelsTest : public EightLayersTest {
 protected:
  static void SetUpTestSuite() {
    EightLayersTest::SetUpTestSuite();
    other_ = std::make_unique<ExpectedModel>(
        SmallModelOptions{.layers = 8, .projection_rows = 2500}, "other");
  }
  static void TearDownTestSuite() {
    other_.reset();
    EightLayersTest::TearDownTestSuite();
  }

  void Start(const SimulationOptions& options) {
    engine_.emplace(std::vector<const ExpectedModel*>{expected_.get(), other_.get()}, options);
  }
  EngineCore& core() { return *engine_->core; }

  static UnitSet Layers(Tier tier, int from, int to, uint32_t model = 0) {
    UnitSet set{.model = model, .tier = tier};
    for (int layer = from; layer < to; ++layer) set.units.push_back(Layer(layer));
    return set;
  }

  void Fetch(int layer, UnitForm form = UnitForm::kDecoded, uint32_t model = 0) {
    const auto held = engine_->Acquire({.model = model, .unit_index = Layer(layer), .form = form});
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    Release(held);
  }
  void Release(const std::shared_ptr<HeldUnit>& held) {
    engine_->Release(held);
    ASSERT_TRUE(engine_->RunUntilIdle());
  }

  std::shared_ptr<HeldUnit> StartPreload(int layer, Tier tier, uint32_t model = 0) {
    return engine_->Acquire({.model = model,
                             .unit_index = Layer(layer),
                             .form = tier == Tier::kHost ? UnitForm::kStored : UnitForm::kDecoded,
                             .priority = Priority::kPreload,
                             .for_frames = tier == Tier::kDevice});
  }
  // False where it was declined.
  bool Preload(int layer, Tier tier, uint32_t model = 0) {
    const auto held = StartPreload(layer, tier, model);
    EXPECT_TRUE(engine_->RunUntilIdle());
    EXPECT_NE(held->declined(), held->ready());
    const bool declined = held->declined();
    Release(held);
    return !declined;
  }

  void Wait(uint64_t ms) {
    engine_->time.At(1000 * ms, [] {});
    ASSERT_TRUE(engine_->RunUntilIdle());
  }
  // Though somebody waits for ever.
  void RunFor(uint64_t ms) { engine_->RunUntilIdle(engine_->time.now_us() + 1000 * ms); }

  // Which of the layers are in the tier.
  std::vector<int> Present(Tier tier, uint32_t model = 0) {
    std::vector<int> present;
    for (int layer = 0; layer < 8; ++layer) {
      if (core().AbsentOf(Layers(tier, layer, layer + 1, model)).empty()) present.push_back(layer);
    }
    return present;
  }

  absl::StatusOr<UnitTotals> Pin(const UnitSet& set, PinReason reason = PinReason::kKept) {
    auto pinned = core().Pin(set, reason);
    engine_->AdvanceSoon();
    return pinned;
  }

  static inline std::unique_ptr<ExpectedModel> other_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_ENGINE_TWO_MODELS_H_
