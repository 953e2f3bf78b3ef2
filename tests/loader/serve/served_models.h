// Two models of one name with other weights, a root to put them into, and an engine to serve them.
#ifndef ECF8_TESTS_LOADER_SERVE_SERVED_MODELS_H_
#define ECF8_TESTS_LOADER_SERVE_SERVED_MODELS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "loader/engine/engine.h"
#include "loader/serve/model_set.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace ecf8::testing {

class ServedModelsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    made_ = new TempDir();
    MakeCompressedModel(made_->path(), "one", {.layers = 2, .projection_rows = 100});
    MakeCompressedModel(made_->path(), "two", {.layers = 2, .projection_rows = 120});
  }
  static void TearDownTestSuite() { delete made_; }

  ServedModelsTest() {
    std::filesystem::create_directory(root_);
    EngineOptions options;
    options.host_budget_bytes = 16 << 20;
    options.slot_budget_bytes = 16 << 20;
    options.decode_threads = 1;
    options.touch_threads = 0;
    auto engine = Engine::Start(options, {});
    EXPECT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  // A complete copy of model "one" or "two" appears in the root at once, as `ecf8 compress` makes
  // one.
  void Put(const std::string& made, const std::string& name) const {
    std::filesystem::copy(*made_ / made, directory_ / "staged");
    std::filesystem::rename(directory_ / "staged", root_ + "/" + name);
  }
  void Take(const std::string& name) const {
    std::filesystem::rename(root_ + "/" + name, directory_ / "taken");
    std::filesystem::remove_all(directory_ / "taken");
  }
  std::shared_ptr<const CompressedModel> OpenInRoot(const std::string& name) const {
    return OpenModel(root_ + "/" + name);
  }
  static std::string DigestOf(const std::string& made) {
    return OpenModel(*made_ / made)->digest();
  }

  // The unit's first byte in each form is in memory when it returns.
  void Use(const ServedModel& model, uint32_t unit) const {
    const auto lease = engine_->Acquire({.model = model->number(), .unit_index = unit});
    ASSERT_THAT(lease, IsOk());
    while (!(*lease)->ready() && (*lease)->status().ok()) std::this_thread::yield();
    EXPECT_THAT((*lease)->status(), IsOk());
  }
  bool MemoryIsFree() const {
    const EngineStats stats = engine_->stats();
    return stats.host.free_bytes == stats.host.capacity_bytes &&
           stats.slots.free_bytes == stats.slots.capacity_bytes;
  }

  static TempDir* made_;
  TempDir directory_;
  const std::string root_ = std::filesystem::canonical(directory_.path()).string() + "/root";
  std::unique_ptr<Engine> engine_;
};

inline TempDir* ServedModelsTest::made_ = nullptr;

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_SERVE_SERVED_MODELS_H_
