// An engine learns, ends, and another one knows.

#include "loader/engine/heat_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/compress.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kExperts = 48;

// One layer of experts, each of which takes a frame of the arena.
void WriteExpertModel(const std::string& directory) {
  testing::PlainFile file;
  const std::string prefix = "model.layers.0.";
  file.Add(prefix + "input_layernorm.weight", "BF16", {64}, testing::NoiseBytes(128, 1));
  for (int i = 0; i < kExperts; ++i) {
    file.Add(prefix + "mlp.experts." + std::to_string(i) + ".down_proj.weight", "F8_E4M3",
             {4, 1024}, testing::FakeE4M3(4096, static_cast<uint32_t>(i)));
  }
  testing::WriteFile(directory + "/model.safetensors", file.Bytes());
  testing::WriteFile(directory + "/config.json", "{\"model_type\": \"deepseek_v3\"}\n");
}

class HeatKeeperTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = new testing::TempDir();
    WriteExpertModel(*models_ / "moe.plain");
    ASSERT_THAT(CompressModel(*models_ / "moe.plain", *models_ / "moe", JobOptions{}), IsOk());
    testing::MakeCompressedModel(models_->path(), "dense");
    moe_ = new std::shared_ptr(testing::OpenModel(*models_ / "moe"));
    dense_ = new std::shared_ptr(testing::OpenModel(*models_ / "dense"));
  }
  static void TearDownTestSuite() {
    delete models_;
    delete moe_;
    delete dense_;
  }

  // Ten frames for experts.
  static std::unique_ptr<Engine> StartEngine() {
    EngineOptions options;
    options.host_budget_bytes = 12 << 20;
    options.slot_budget_bytes = 2 << 20;
    options.decode_threads = 2;
    options.touch_threads = 0;
    auto engine = Engine::Start(options, {*dense_, *moe_});
    EXPECT_THAT(engine, IsOk());
    return *std::move(engine);
  }

  std::unique_ptr<HeatKeeper> StartKeeper(
      Engine& engine, std::chrono::milliseconds interval = std::chrono::hours(1)) {
    auto keeper = HeatKeeper::Start(
        engine, {.directory = path_,
                 .interval = interval,
                 .on_problem = [this](const absl::Status& s) { problems_.push_back(s); }});
    EXPECT_THAT(keeper, IsOk());
    for (const auto& model : engine.models()) (*keeper)->Add(model);
    return *std::move(keeper);
  }

  // Tokens that each use two experts, the same few most of the time.
  static void UseExperts(Engine& engine, int tokens, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<double> shares;
    for (int i = 0; i < kExperts; ++i) shares.push_back(std::pow(i + 1, -1.2));
    std::discrete_distribution<int> choose(shares.begin(), shares.end());
    for (int token = 0; token < tokens; ++token) {
      const int first = choose(random);
      int second = first;
      while (second == first) second = choose(random);
      for (const int rank : {first, second}) {
        const int expert = rank * 7 % kExperts;
        const uint32_t unit = *(*moe_)->FindUnit("layers.0.experts." + std::to_string(expert));
        const auto lease =
            engine.Acquire({.model = 1, .unit_index = unit, .form = UnitForm::kStored});
        ASSERT_THAT(lease, IsOk());
        while (!(*lease)->ready()) std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  std::string File(const std::string& tier) const {
    return path_ + "/" + (*moe_)->digest() + "-" + tier + ".heat";
  }

  static testing::TempDir* models_;
  static std::shared_ptr<const CompressedModel>* moe_;
  static std::shared_ptr<const CompressedModel>* dense_;
  testing::TempDir directory_;
  const std::string path_ = directory_ / "heat";
  std::vector<absl::Status> problems_;
};

testing::TempDir* HeatKeeperTest::models_ = nullptr;
std::shared_ptr<const CompressedModel>* HeatKeeperTest::moe_ = nullptr;
std::shared_ptr<const CompressedModel>* HeatKeeperTest::dense_ = nullptr;

TEST_F(HeatKeeperTest, WhatWasLearnedMakesTheNextEngineHitMore) {
  {
    const auto engine = StartEngine();
    const auto keeper = StartKeeper(*engine);
    EXPECT_EQ(keeper->files_read(), 0u);
    UseExperts(*engine, 1500, 1);
  }
  EXPECT_TRUE(fs::exists(File("host")));
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  uint64_t cold_hits = 0, warm_hits = 0;
  for (uint32_t seed = 100; seed < 110; ++seed) {  // ten first minutes
    const auto cold = StartEngine();
    UseExperts(*cold, 60, seed);
    cold_hits += cold->stats().host.hits;
    const auto warm = StartEngine();
    {
      fs::copy(path_, directory_ / "copy", fs::copy_options::recursive);
      auto keeper = StartKeeper(*warm);
      EXPECT_EQ(keeper->files_read(), 1u);
      UseExperts(*warm, 60, seed);
    }
    warm_hits += warm->stats().host.hits;
    // The next is to know what the first engine did, not what this one learned.
    fs::remove_all(path_);
    fs::rename(directory_ / "copy", path_);
  }
  EXPECT_GT(static_cast<double>(warm_hits), 1.02 * static_cast<double>(cold_hits));
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(HeatKeeperTest, IsWrittenNowAndThenAndOnlyWhereSomethingWasLearned) {
  const auto engine = StartEngine();
  auto keeper = StartKeeper(*engine, std::chrono::milliseconds(20));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(keeper->files_written(), 0u);
  UseExperts(*engine, 5, 1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (keeper->files_written() == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const size_t written = keeper->files_written();
  EXPECT_GE(written, 1u);
  keeper.reset();
  // Nobody has decoded anything, and the dense model has no experts.
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path_)) files.push_back(entry.path().string());
  EXPECT_THAT(files, ElementsAre(File("host")));

  const std::string bytes = testing::ReadFile(File("host"));
  StartKeeper(*StartEngine()).reset();
  EXPECT_EQ(testing::ReadFile(File("host")), bytes);
}

TEST_F(HeatKeeperTest, AModelThatGoesIsWrittenAtOnceAndReadWhenItIsBack) {
  const auto engine = StartEngine();
  const auto keeper = StartKeeper(*engine);
  UseExperts(*engine, 20, 1);
  keeper->Remove(engine->models()[1]);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (keeper->files_written() == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(keeper->files_written(), 1u);
  EXPECT_EQ(keeper->files_read(), 0u);
  keeper->Add(engine->models()[1]);
  EXPECT_EQ(keeper->files_read(), 1u);
  // Also where it comes back before the thread has had its turn.
  UseExperts(*engine, 20, 2);
  keeper->Remove(engine->models()[1]);
  keeper->Add(engine->models()[1]);
  EXPECT_EQ(keeper->files_written(), 2u);
  EXPECT_EQ(keeper->files_read(), 2u);
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(HeatKeeperTest, BadFilesAreToldAndReplaced) {
  fs::create_directory(path_);
  testing::WriteFile(File("host"), "damaged");
  fs::create_directory(File("slots"));
  {
    const auto engine = StartEngine();
    const auto keeper = StartKeeper(*engine);
    EXPECT_EQ(keeper->files_read(), 0u);
    EXPECT_THAT(problems_,
                ElementsAre(StatusIs(absl::StatusCode::kDataLoss, HasSubstr(".heat")),
                            StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(".heat"))));
    UseExperts(*engine, 5, 1);
  }
  problems_.clear();
  const auto engine = StartEngine();
  EXPECT_EQ(StartKeeper(*engine)->files_read(), 1u);
}

TEST_F(HeatKeeperTest, WithoutADirectoryTheEngineServes) {
  testing::WriteFile(path_, "in the way");
  {
    const auto engine = StartEngine();
    const auto keeper = StartKeeper(*engine);
    EXPECT_THAT(problems_, ElementsAre(StatusIs(absl::StatusCode::kFailedPrecondition,
                                                HasSubstr("is not a directory"))));
    UseExperts(*engine, 5, 1);
  }
  EXPECT_EQ(problems_.size(), 2u);
  EXPECT_EQ(testing::ReadFile(path_), "in the way");
}

// What a full disk does, by the limit of a process on its files.
TEST_F(HeatKeeperTest, AFullDiskLeavesWhatWasThere) {
  {
    const auto engine = StartEngine();
    const auto keeper = StartKeeper(*engine);
    UseExperts(*engine, 20, 1);
  }
  const std::string bytes = testing::ReadFile(File("host"));
  auto engine = StartEngine();
  auto keeper = StartKeeper(*engine);
  UseExperts(*engine, 20, 2);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &none);
  keeper.reset();
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_THAT(problems_,
              ElementsAre(StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(".heat"))));
  EXPECT_EQ(testing::ReadFile(File("host")), bytes);
  EXPECT_EQ(std::distance(fs::directory_iterator(path_), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace ecf8
