// Resident sessions: weights that outlive their clients.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/rpc/session_fixture.h"
#include "tests/support/settled_engine.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kLayerSlot;
using ::ecf8::testing::SessionTest;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

// Eight layers, embedding and head, and room for any one unit.
constexpr uint64_t kModelSlots = 8 * kLayerSlot + 2 * kSlotPageBytes;
constexpr uint64_t kEnough = kModelSlots + kLayerSlot;

class ResidentTest : public SessionTest {
 protected:
  const Engine& engine() const { return server_->engine(); }

  std::vector<uint32_t> AllUnits() const {
    std::vector<uint32_t> units(server_->model().unit_count());
    std::iota(units.begin(), units.end(), 0u);
    return units;
  }
  std::unique_ptr<SessionClient> OpenResident() const {
    return Open({.model = {}, .resident = true});
  }
  // Opens, acquires all, compares, and leaves.
  void AttachAndCheck() const {
    const auto session = OpenResident();
    ASSERT_NE(session, nullptr);
    auto set = session->Acquire(AllUnits());
    ASSERT_THAT(set, IsOk());
    ExpectRight(*session, *set, AllUnits());
    EXPECT_THAT(set->Release(), IsOk());
  }
  EngineStats Settled() const {
    EXPECT_TRUE(testing::WaitUntilSettled(engine()));
    return engine().stats();
  }
  bool IsLoaded() const {
    return Within20s([&] {
      return engine().stats().slots.units == server_->model().unit_count() &&
             engine().stats().active_units == 0;
    });
  }
  void FetchAllOf(const std::string& model) const {
    v1::FetchRequest request = testing::Request(v1::FORM_DECODED);
    request.set_model(model);
    CollectingSink sink;
    ASSERT_THAT(client_->Fetch(request, false, sink), IsOk());
    EXPECT_EQ(sink.tensors, server_->tensors());
  }
  v1::UnitsInTier Slots() const {
    v1::UnitsInTier units;
    units.set_model("small");
    units.set_tier(v1::MEMORY_TIER_SLOTS);
    return units;
  }
};

TEST_F(ResidentTest, WhoComesBackFindsAllUnreadAndUndecoded) {
  Start(kEnough, {}, /*with_other=*/true);
  AttachAndCheck();
  const EngineStats before = Settled();
  // Another model passes through what is left.
  FetchAllOf("other");
  const EngineStats between = Settled();
  EXPECT_GT(between.decoded_bytes, before.decoded_bytes);
  for (int i = 0; i < 3; ++i) {
    const Clock::time_point begin = Clock::now();
    const auto session = OpenResident();
    ASSERT_NE(session, nullptr);
    auto set = session->Acquire(AllUnits());
    ASSERT_THAT(set, IsOk());
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(20));
    ExpectRight(*session, *set, AllUnits());
    EXPECT_THAT(set->Check(), IsOk());
  }
  EXPECT_EQ(Settled().read_bytes, between.read_bytes);
  EXPECT_EQ(Settled().decoded_bytes, between.decoded_bytes);
}

TEST_F(ResidentTest, TheDaemonLoadsWhatNobodyHasAcquired) {
  Start(kEnough);
  OpenResident();  // and gone
  EXPECT_TRUE(IsLoaded());
  EXPECT_TRUE(Within20s([&] { return server_->server().session_count() == 0; }));
  const uint64_t decoded_bytes = Settled().decoded_bytes;
  AttachAndCheck();
  EXPECT_EQ(Settled().decoded_bytes, decoded_bytes);
}

TEST_F(ResidentTest, ManyShareOneCopyWithoutACharge) {
  Start(kEnough);
  std::vector<std::unique_ptr<SessionClient>> sessions;
  std::vector<LeasedSet> sets;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(OpenResident());
    ASSERT_NE(sessions.back(), nullptr);
    EXPECT_EQ(sessions.back()->slot_bytes(), 0u);
    auto set = sessions.back()->Acquire(AllUnits());
    ASSERT_THAT(set, IsOk());
    sets.push_back(*std::move(set));
  }
  EXPECT_EQ(sets[0].unit(3).size(), sets[2].unit(3).size());
  // An ordinary one beside them needs a grant, and its units cost nothing of it.
  const auto ordinary = Open({.model = {}, .slot_bytes = kSlotPageBytes});
  ASSERT_NE(ordinary, nullptr);
  auto set = ordinary->Acquire(AllUnits());
  ASSERT_THAT(set, IsOk());
  ExpectRight(*ordinary, *set, AllUnits());
  uint64_t decoded_bytes = 0;
  for (uint32_t i = 0; i < server_->model().unit_count(); ++i) {
    for (const Piece& piece : server_->model().unit(i).pieces) {
      decoded_bytes += piece.decoded_size_bytes;
    }
  }
  EXPECT_TRUE(Within20s([&] { return engine().stats().decoded_bytes >= decoded_bytes; }));
  EXPECT_EQ(engine().stats().decoded_bytes, decoded_bytes) << "once";
}

TEST_F(ResidentTest, AWalkKeepsNothingAheadThatIsNotThere) {
  Start(kEnough);
  const auto session =
      Open({.model = {}, .walk = Layers(8), .cyclic = true, .depth = 3, .resident = true});
  ASSERT_NE(session, nullptr);
  for (int pass = 0; pass < 3; ++pass) {
    for (int layer = 0; layer < 8; ++layer) {
      auto set = session->Acquire({Layer(layer)});
      ASSERT_THAT(set, IsOk());
      ExpectRight(*session, *set, {Layer(layer)});
      EXPECT_THAT(set->Release(), IsOk());
    }
  }
}

TEST_F(ResidentTest, WhatDoesNotFitIsRefusedAndLeavesNothing) {
  Start(kModelSlots);  // and no room for others
  const auto refused = TryOpen({.model = {}, .resident = true});
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("slot budget")));
  const auto info = GetErrorInfo(refused.status());
  EXPECT_EQ(info->reason, ErrorReason::kBudgetTooSmall);
  EXPECT_EQ(info->shortfall_bytes, kLayerSlot);
  EXPECT_THAT(info->holder, HasSubstr("room for the largest unit"));
  EXPECT_TRUE(engine().pins().empty());
  EXPECT_TRUE(EverythingIsGivenBack());
  EXPECT_EQ(engine().stats().read_bytes, 0u);
  // A resident one whose own grant is not to be had, likewise.
  Start(kEnough + kSlotPageBytes);
  const auto greedy = TryOpen({.model = {}, .slot_bytes = 4 * kLayerSlot, .resident = true});
  ASSERT_THAT(greedy, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("pins of model")));
  EXPECT_TRUE(Within20s([&] { return engine().pins().empty(); }));
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(ResidentTest, BesideSessionsItSaysWhoseTheSlotsAre) {
  Start(kEnough);
  auto session = Open({.model = {}, .slot_bytes = 2 * kLayerSlot});
  const auto refused = TryOpen({.model = {}, .resident = true});
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("sessions'")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, kLayerSlot);
  session.reset();
  EXPECT_TRUE(EverythingIsGivenBack());
  AttachAndCheck();
}

TEST_F(ResidentTest, UnpinTakesEffectWhenTheLastHasLeft) {
  Start(kEnough);
  auto session = OpenResident();
  auto first = session->Acquire({Layer(0)});
  ASSERT_THAT(first, IsOk());
  const auto report = client_->Unpin(Slots());
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->held().units(), server_->model().unit_count());
  EXPECT_EQ(report->unpinned().units(), 0u);
  // It goes on as it was.
  auto set = session->Acquire(AllUnits());
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, AllUnits());
  *first = LeasedSet();
  *set = LeasedSet();
  session.reset();
  EXPECT_TRUE(Within20s([&] { return engine().pins().empty(); }));
  EXPECT_TRUE(EverythingIsGivenBack());
  const auto evicted = client_->Evict(Slots());
  ASSERT_THAT(evicted, IsOk());
  EXPECT_EQ(evicted->freed().units(), server_->model().unit_count());
}

// The two forms are pinned apart, each once, and unpinned together.
TEST_F(ResidentTest, TheStoredFormIsResidentToo) {
  Start(2 * kEnough);
  AttachAndCheck();
  ASSERT_TRUE(IsLoaded());
  const uint64_t decoded_pins = engine().pins().front().pinned.bytes;
  for (int i = 0; i < 2; ++i) {
    const EngineStats before = Settled();
    const auto session = Open({.model = {}, .resident = true, .form = v1::FORM_STORED});
    ASSERT_NE(session, nullptr);
    EXPECT_EQ(session->slot_bytes(), 0u);
    auto set = session->Acquire(AllUnits());
    ASSERT_THAT(set, IsOk());
    for (const uint32_t unit : AllUnits()) {
      EXPECT_EQ(set->unit(unit).size(), server_->model().unit(unit).stored_size_bytes);
    }
    EXPECT_THAT(set->Release(), IsOk());
    EXPECT_EQ(Settled().read_bytes, before.read_bytes) << "the host tier had all of it";
    EXPECT_EQ(Settled().decoded_bytes, before.decoded_bytes);
    if (i > 0) {
      EXPECT_EQ(Settled().copied_bytes, before.copied_bytes) << "and now the slots";
    }
  }
  const std::vector<PinnedModel> pins = engine().pins();
  ASSERT_EQ(pins.size(), 2u);
  EXPECT_EQ(pins[0].pinned.bytes, decoded_pins);
  EXPECT_LT(pins[1].pinned.bytes, decoded_pins);
  EXPECT_EQ(pins[1].pinned.units, server_->model().unit_count());
  const auto status = client_->GetStatus();
  ASSERT_THAT(status, IsOk());
  ASSERT_EQ(status->slots().pinned_size(), 1);
  EXPECT_EQ(status->slots().pinned(0).units(), 2 * server_->model().unit_count());
  EXPECT_TRUE(Within20s([&] { return server_->server().session_count() == 0; }));
  EXPECT_TRUE(Within20s([&] {
    const auto report = client_->Unpin(Slots());
    return report.ok() && report->held().units() == 0;
  }));
  EXPECT_TRUE(EverythingIsGivenBack());
  const auto evicted = client_->Evict(Slots());
  ASSERT_THAT(evicted, IsOk());
  EXPECT_EQ(evicted->freed().units(), 2 * server_->model().unit_count());
}

TEST_F(ResidentTest, UnpinnedAndNobodyThereItIsJustACache) {
  Start(kEnough);
  AttachAndCheck();
  EXPECT_TRUE(IsLoaded());
  EXPECT_TRUE(Within20s([&] { return server_->server().session_count() == 0; }));
  EXPECT_TRUE(Within20s([&] {
    const auto report = client_->Unpin(Slots());
    return report.ok() && report->held().units() == 0;
  }));
  EXPECT_TRUE(Within20s([&] { return EverythingIsGivenBack(); }));
  const auto session = Open({.model = {}, .slot_bytes = 4 * kLayerSlot});
  EXPECT_NE(session, nullptr);
}

TEST_F(ResidentTest, ADamagedUnitFailsWhoAsksForItAndNobodyElse) {
  Start(kEnough);
  faults_.Fail(server_->model().shard_of(Layer(0)).file_name);
  const auto session = OpenResident();
  ASSERT_NE(session, nullptr);
  EXPECT_THAT(session->Acquire({Layer(0)}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.0")));
  // The daemon was loading the other units, and who joins a load has its error.
  Settled();
  faults_.Mend();
  auto set = session->Acquire(AllUnits());
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, AllUnits());
}

// Two units at a time: the others wait for their turn.
TEST_F(ResidentTest, ASetHasTimeAsLongAsItMoves) {
  const SessionLimits limits = {.set_patience = std::chrono::milliseconds(1000)};
  host_bytes_ = 8 << 20;
  Start(kEnough, limits);
  faults_.Hold();
  {
    const auto session = OpenResident();
    ASSERT_NE(session, nullptr);
    EXPECT_THAT(session->Acquire(AllUnits()),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("within 1000 ms")));
  }
  const auto session = OpenResident();
  ASSERT_NE(session, nullptr);
  std::atomic<bool> done = false;
  std::thread slow_disk([&] {
    while (!done.load()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      const uint64_t read_bytes = engine().stats().read_bytes;
      faults_.LetGo();
      testing::Within(
          std::chrono::seconds(20),
          [&] { return done.load() || engine().stats().read_bytes > read_bytes; },
          std::chrono::milliseconds(1));
      faults_.Hold();
    }
    faults_.LetGo();
  });
  const Clock::time_point begin = Clock::now();
  auto set = session->Acquire(AllUnits());
  const Clock::duration took = Clock::now() - begin;
  done = true;
  slow_disk.join();
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, AllUnits());
  if (took <= limits.set_patience) GTEST_SKIP() << "the disk was too fast to show anything";
}

TEST_F(ResidentTest, OtherWeightsUnderTheSameNameAreRefused) {
  Start(kEnough);
  AttachAndCheck();
  const std::string digest = server_->model().digest();
  // The directory is replaced under the daemon: it goes on with what it has opened, and says so.
  const std::string served = server_->directory() / "small";
  std::filesystem::rename(served, served + ".old");
  testing::MakeCompressedModel(server_->directory().path(), "small",
                               {.layers = 8, .projection_rows = 2501});
  const std::string new_digest = testing::OpenModel(served)->digest();
  ASSERT_NE(new_digest, digest);
  EXPECT_THAT(TryOpen({.model = {}, .digest = new_digest, .resident = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("digest")));
  EXPECT_THAT(TryOpen({.model = {}, .digest = digest, .resident = true}), IsOk());
}

// As the daemon does when it is started again over a directory that has changed.
TEST_F(ResidentTest, ARestartedDaemonServesNoOtherWeightsToWhoWantsTheOldOnes) {
  Start(kEnough);
  const std::string digest = server_->model().digest();
  EngineOptions options = testing::SmallEngine();
  const testing::TestServer changed({.layers = 8, .projection_rows = 2499}, options);
  const auto client = changed.Connect();
  EXPECT_THAT(SessionClient::Open(*client, changed.address(),
                                  {.model = "small", .digest = digest, .resident = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("digest")));
  EXPECT_TRUE(changed.engine().pins().empty());
}

TEST_F(ResidentTest, EndsWithItsModel) {
  Start(kEnough, {}, /*with_other=*/true);
  const auto session = OpenResident();
  ASSERT_NE(session, nullptr);
  auto set = session->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(set, IsOk());
  ASSERT_TRUE(IsLoaded());
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  EXPECT_TRUE(Within20s([&] { return engine().pins().empty(); }));
  // What is leased stays, and is paid for.
  ExpectRight(*session, *set, {Layer(0), Layer(1)});
  EXPECT_THAT(set->Check(), IsOk());
  EXPECT_TRUE(Within20s([&] { return engine().stats().slots.units == 2; }));
  EXPECT_EQ(engine().slot_grants().free_bytes(), kEnough - 2 * kLayerSlot);
  EXPECT_THAT(session->Acquire({Layer(2)}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
  EXPECT_THAT(TryOpen({.model = {}, .resident = true}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
  EXPECT_THAT(set->Release(), IsOk());
  EXPECT_TRUE(Within20s([&] { return engine().slot_grants().free_bytes() == kEnough; }));
  FetchAllOf("other");
}

TEST_F(ResidentTest, AModelThatGoesWhileItIsLoadedIsLoadedNoFurther) {
  Start(kEnough);
  faults_.Hold();
  const auto session = OpenResident();
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(Within20s([&] { return engine().stats().requests > 0; }));
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  faults_.LetGo();
  EXPECT_TRUE(Within20s([&] {
    const EngineStats stats = engine().stats();
    return stats.requests == 0 && stats.slots.units + stats.host.units == 0;
  }));
  EXPECT_TRUE(engine().pins().empty());
}

TEST_F(ResidentTest, ADaemonThatStopsWhileItLoadsDoesSo) {
  Start(kEnough);
  faults_.Hold();
  const auto session = OpenResident();
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(Within20s([&] { return engine().stats().requests > 0; }));
  EXPECT_FALSE(server_->server().Drain(std::chrono::milliseconds(0), nullptr));
  faults_.LetGo();
  EXPECT_TRUE(Within20s([&] { return engine().stats().requests == 0; }));
}

}  // namespace
}  // namespace ecf8
