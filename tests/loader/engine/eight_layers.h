// A fixture: one model of eight layers, and an engine for it in virtual time.
#ifndef ECF8_TESTS_LOADER_ENGINE_EIGHT_LAYERS_H_
#define ECF8_TESTS_LOADER_ENGINE_EIGHT_LAYERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "loader/engine/engine_core.h"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/status_matchers.h"

namespace ecf8::testing {

// embed, layers.0 to layers.7 of three chunks each (2 MiB of the arena, 4 MiB of slots), head.
class EightLayersTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ =
        std::make_unique<ExpectedModel>(SmallModelOptions{.layers = 8, .projection_rows = 2500});
  }
  static void TearDownTestSuite() { expected_.reset(); }

  void StartEngine(const SimulationOptions& options = {}) { engine_.emplace(*expected_, options); }

  static uint32_t Unit(const std::string& id) { return *expected_->model->FindUnit(id); }
  static uint32_t Layer(int layer) { return Unit("layers." + std::to_string(layer)); }

  std::shared_ptr<HeldUnit> Acquire(uint32_t unit_index, UnitForm form = UnitForm::kDecoded,
                                    Priority priority = Priority::kDemand, bool revocable = false) {
    return engine_->Acquire(
        {.unit_index = unit_index, .form = form, .priority = priority, .revocable = revocable});
  }

  void ExpectReadyAndRight(HeldUnit& held) {
    EXPECT_THAT(held.status(), IsOk());
    ASSERT_TRUE(held.ready());
    size_t checked = 0;
    engine_->CheckReadyParts(held, &checked);
    EXPECT_EQ(checked, held.parts().size());
  }

  static inline std::unique_ptr<ExpectedModel> expected_;
  std::optional<SimulatedEngine> engine_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_ENGINE_EIGHT_LAYERS_H_
