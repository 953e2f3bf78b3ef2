// Sessions over gRPC: every byte through mapped slots; what waits for what; what is given back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/rpc/session_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kLayerSlot;
using ::ecf8::testing::Request;
using ::ecf8::testing::SessionTest;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

TEST_F(SessionTest, GivesEveryByteOfEveryUnit) {
  Start();
  const auto session = Open();
  std::vector<uint32_t> units(server_->model().unit_count());
  std::iota(units.begin(), units.end(), 0u);
  for (const uint32_t unit : units) {
    auto set = session->Acquire({unit});
    ASSERT_THAT(set, IsOk());
    ExpectRight(*session, *set, {unit});
    EXPECT_THAT(set->Release(), IsOk());
  }
}

TEST_F(SessionTest, ASetComesWholeAndInTheOrderAskedFor) {
  Start();
  const auto session = Open({.model = {}, .slot_bytes = 64 << 20});
  const std::vector<uint32_t> units = {Layer(5), Layer(0), Layer(3), Layer(7)};
  auto set = session->Acquire(units);
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, units);
}

// A layer at a time, two clients, memory for four layers: each reads while the other's are decoded.
TEST_F(SessionTest, TwoWalkAtOnceInFourLayersOfSlots) {
  Start(4 * kLayerSlot);
  const std::vector<uint32_t> walk = Layers(8);
  const auto run = [&] {
    const auto client = server_->Connect();
    auto session = SessionClient::Open(
        *client, server_->address(),
        {.model = "small", .walk = walk, .cyclic = true, .depth = 1, .slot_bytes = 2 * kLayerSlot});
    ASSERT_THAT(session, IsOk());
    for (int pass = 0; pass < 5; ++pass) {
      for (const uint32_t unit : walk) {
        auto set = (*session)->Acquire({unit});
        ASSERT_THAT(set, IsOk());
        ExpectRight(**session, *set, {unit});
        ASSERT_THAT(set->Release(), IsOk());
      }
    }
  };
  std::thread other(run);
  run();
  other.join();
  EXPECT_TRUE(EverythingIsGivenBack());
}

// One step: the slots of the one are the other's.
TEST_F(SessionTest, ASetIsExchangedForTheNext) {
  Start(kLayerSlot);
  const auto session = Open({.model = {}, .slot_bytes = kLayerSlot});
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  for (uint32_t i = 1; i < 20; ++i) {
    const auto next = session->Exchange(*set, {Layer(i % 8)});
    ASSERT_THAT(next, IsOk());
    EXPECT_FALSE(set->leased());
    set = session->Wait(*next);
    ASSERT_THAT(set, IsOk());
    ExpectRight(*session, *set, {Layer(i % 8)});
  }
  // Where the slot was given away meanwhile, it is told, and nothing was asked for.
  ++server_->engine().shared_slots().generations[0];
  EXPECT_THAT(session->Exchange(*set, {Layer(0)}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("was given to another")));
  EXPECT_FALSE(set->leased());
  // What is not leased is nothing to give back.
  EXPECT_THAT(session->Exchange(*set, {Layer(0)}), IsOk());
}

// As many as there may be, each with memory for one layer, all of which want others than the rest.
TEST_F(SessionTest, SixtyFourAtOnce) {
  constexpr uint32_t kSessions = 64;
  Start(kSessions * kLayerSlot);
  const auto run = [&](uint32_t number) {
    const auto client = server_->Connect();
    auto session = SessionClient::Open(*client, server_->address(),
                                       {.model = "small", .slot_bytes = kLayerSlot});
    ASSERT_THAT(session, IsOk());
    for (uint32_t step = 0; step < 8; ++step) {
      const uint32_t unit = Layer(static_cast<int>((number + step) % 8));
      auto set = (*session)->Acquire({unit});
      ASSERT_THAT(set, IsOk());
      ExpectRight(**session, *set, {unit});
      ASSERT_THAT(set->Release(), IsOk());
    }
  };
  std::vector<std::thread> clients;
  for (uint32_t i = 0; i < kSessions; ++i) clients.emplace_back(run, i);
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(EverythingIsGivenBack());
  EXPECT_EQ(server_->engine().stats().slots.units, 8u) << "nothing is there twice";
}

// While everybody else fights for the rest.
TEST_F(SessionTest, NobodyOverwritesWhatIsLeased) {
  Start(3 * kLayerSlot);
  const auto session = Open({.model = {}, .slot_bytes = kLayerSlot});
  auto set = session->Acquire({Layer(4)});
  ASSERT_THAT(set, IsOk());
  for (int i = 0; i < 3; ++i) {
    CollectingSink sink;
    EXPECT_THAT(client_->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
  }
  EXPECT_GT(server_->engine().stats().slots.evictions, 0u);
  ExpectRight(*session, *set, {Layer(4)});
  EXPECT_THAT(set->Check(), IsOk());
  EXPECT_THAT(set->Release(), IsOk());
}

TEST_F(SessionTest, ASlotThatIsGivenAwayIsNoticed) {
  Start();
  const auto session = Open();
  auto set = session->Acquire({Layer(1)});
  ASSERT_THAT(set, IsOk());
  // As if the daemon had given its last page to another.
  const auto page = static_cast<size_t>(set->unit(0).data() + set->unit(0).size() - 1 -
                                        session->mapping().slots().data());
  ++server_->engine().shared_slots().generations[page / kSlotPageBytes];
  EXPECT_THAT(set->Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.1")));
  EXPECT_THAT(set->Release(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.1")));
  // And one that was given away before the client heard of it.
  EXPECT_THAT(session->Acquire({Layer(1)}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.1")));
}

TEST_F(SessionTest, TheNextUnitsOfTheScheduleAreReadyAhead) {
  Start();
  const auto session =
      Open({.model = {}, .walk = Layers(8), .cyclic = true, .depth = 3, .slot_bytes = 64 << 20});
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 3; }));
  auto set = session->Acquire({Layer(6)});
  ASSERT_THAT(set, IsOk());
  EXPECT_TRUE(Within20s([&] {  // 6, and ahead 7, 0 and 1, but not 2 any more
    const EngineStats stats = server_->engine().stats();
    return stats.requests == 4 && stats.slots.misses == 5;
  }));
  // 7, 0 and 1 are there or on their way: acquiring them asks the engine for nothing new.
  const auto before = server_->engine().stats().slots;
  auto next = session->Acquire({Layer(7), Layer(0), Layer(1)});
  ASSERT_THAT(next, IsOk());
  ExpectRight(*session, *next, {Layer(7), Layer(0), Layer(1)});
  EXPECT_TRUE(Within20s([&] {  // and 2, 3 and 4, ahead
    return server_->engine().stats().requests == 7;
  }));
  const uint64_t asked = server_->engine().stats().slots.misses - before.misses;
  EXPECT_GE(asked, 2u);  // 2 may have been there still
  EXPECT_LE(asked, 3u);
  EXPECT_THAT(set->Release(), IsOk());
  EXPECT_THAT(session->Skip(5), IsOk());  // over 2 to 6, to 7, 0 and 1, which are leased
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 3; }));
}

TEST_F(SessionTest, WhatIsAheadGivesWayToASet) {
  Start();
  const auto session = Open(
      {.model = {}, .walk = Layers(8), .cyclic = true, .depth = 4, .slot_bytes = 4 * kLayerSlot});
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 4; }));
  auto set = session->Acquire({Layer(7), Layer(6), Layer(5)});
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, {Layer(7), Layer(6), Layer(5)});
  EXPECT_LE(server_->engine().stats().requests, 4u);
}

TEST_F(SessionTest, ASetWaitsForRoomInTheGrantAndComesInTurn) {
  Start();
  const auto session = Open({.model = {}, .slot_bytes = 2 * kLayerSlot});
  auto first = session->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(first, IsOk());
  const auto second = session->StartAcquire({Layer(1), Layer(2)});
  const auto third = session->StartAcquire({Layer(0)});  // is there, and waits all the same
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT(third, IsOk());
  EXPECT_THAT(session->Ping(), IsOk());
  EXPECT_EQ(server_->engine().stats().requests, 2u);
  EXPECT_THAT(first->Release(), IsOk());
  auto second_set = session->Wait(*second);
  ASSERT_THAT(second_set, IsOk());
  ExpectRight(*session, *second_set, {Layer(1), Layer(2)});
  EXPECT_THAT(second_set->Release(), IsOk());
  EXPECT_THAT(session->Wait(*third), IsOk());
}

// One that waits for room, and one whose unit is being read.
TEST_F(SessionTest, ASetThatIsGivenUpHoldsNobodyUp) {
  Start();
  const auto session = Open({.model = {}, .slot_bytes = 2 * kLayerSlot});
  auto first = session->Acquire({Layer(0)});
  ASSERT_THAT(first, IsOk());
  const auto large = session->StartAcquire({Layer(1), Layer(2)});  // no room
  const auto small = session->StartAcquire({Layer(3)});            // behind it
  ASSERT_THAT(small, IsOk());
  EXPECT_EQ(session
                ->Wait(*small, {.deadline = std::chrono::steady_clock::now() +
                                            std::chrono::milliseconds(20)})
                .status()
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  session->GiveUp(*large);
  auto third = session->Wait(*small);
  ASSERT_THAT(third, IsOk());
  ExpectRight(*session, *third, {Layer(3)});
  EXPECT_THAT(third->Release(), IsOk());
  faults_.Hold();
  const auto slow = session->StartAcquire({Layer(4)});
  ASSERT_THAT(slow, IsOk());
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 2; }));
  session->GiveUp(*slow);
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 1; }));
  faults_.LetGo();
  EXPECT_THAT(session->Acquire({Layer(4)}), IsOk());
}

// With a limit, too: it is given up, and the next one comes.
TEST_F(SessionTest, BeyondItsDeadlineASetIsNotLeased) {
  Start();
  const auto session = Open({.model = {}, .slot_bytes = kLayerSlot});
  faults_.Hold();
  for (int i = 0; i < 20; ++i) {  // more than there may be sets
    EXPECT_EQ(session
                  ->Acquire({Layer(1)}, {.deadline = std::chrono::steady_clock::now() +
                                                     std::chrono::milliseconds(1)})
                  .status()
                  .code(),
              absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(session->Ping(), IsOk());  // it has heard what became of the set
  }
  faults_.LetGo();
  auto set = session->Acquire({Layer(1)});
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, {Layer(1)});
}

TEST_F(SessionTest, ASetThatWaitsTooLongFails) {
  Start(64 << 20, {.set_patience = std::chrono::milliseconds(300)});
  const auto session = Open({.model = {}, .slot_bytes = 2 * kLayerSlot});
  auto first = session->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(first, IsOk());
  const auto asked = std::chrono::steady_clock::now();
  EXPECT_THAT(session->Acquire({Layer(2)}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("within 300 ms")));
  EXPECT_GE(std::chrono::steady_clock::now() - asked, std::chrono::milliseconds(300));
  EXPECT_THAT(first->Release(), IsOk());
  EXPECT_THAT(session->Acquire({Layer(2)}), IsOk());
}

TEST_F(SessionTest, OneSessionHasAtMostItsQuota) {
  Start(8 * kLayerSlot, {.max_slot_bytes = 3 * kLayerSlot});
  const auto refused = TryOpen({.model = {}, .slot_bytes = 4 * kLayerSlot});
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("quota")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, kLayerSlot);
  const auto session = Open({.model = {}, .walk = Layers(8), .depth = 5});
  EXPECT_EQ(session->slot_bytes(), 3 * kLayerSlot);
}

TEST_F(SessionTest, ASetThatCanNeverFitSaysWhatIsMissing) {
  Start();
  const auto session = Open({.model = {}, .slot_bytes = 2 * kLayerSlot});
  const auto set = session->Acquire({Layer(0), Layer(1), Layer(2)});
  ASSERT_THAT(set, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("granted")));
  const auto info = GetErrorInfo(set.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, ErrorReason::kBudgetTooSmall);
  EXPECT_EQ(info->shortfall_bytes, kLayerSlot);
  EXPECT_THAT(session->Acquire({Layer(0), Layer(1)}), IsOk());
}

TEST_F(SessionTest, GrantsAddUpToTheSlotBudget) {
  Start(4 * kLayerSlot);
  auto first = Open({.model = {}, .slot_bytes = 3 * kLayerSlot});
  const auto refused = TryOpen({.model = {}, .slot_bytes = 2 * kLayerSlot});
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("slot-budget")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, kLayerSlot);
  auto rest = Open({.model = {}, .walk = Layers(8), .depth = 5});
  EXPECT_EQ(rest->slot_bytes(), kLayerSlot);
  rest.reset();
  first.reset();
  EXPECT_TRUE(EverythingIsGivenBack());
  first = Open({.model = {}, .slot_bytes = 4 * kLayerSlot});
  EXPECT_EQ(first->slot_bytes(), 4 * kLayerSlot);
}

TEST_F(SessionTest, OtherWeightsUnderTheSameNameAreRefused) {
  Start();
  std::string digest = server_->model().digest();
  EXPECT_THAT(TryOpen({.model = {}, .digest = digest}), IsOk());
  digest.back() ^= 1;
  EXPECT_THAT(TryOpen({.model = {}, .digest = digest}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("digest")));
  EXPECT_TRUE(EverythingIsGivenBack());
}

// Of units that do not fit, that are there, and of none.
TEST_F(SessionTest, AMillionHintsAreHarmless) {
  Start();
  const auto session = Open({.model = {}, .slot_bytes = 3 * kLayerSlot});
  auto leased = session->Acquire({Layer(0)});
  ASSERT_THAT(leased, IsOk());
  std::vector<uint32_t> hints;
  for (uint32_t i = 0; i < 10'000; ++i) hints.push_back(i * 7 % server_->model().unit_count());
  for (int i = 0; i < 100; ++i) ASSERT_THAT(session->Hint(hints), IsOk());
  ASSERT_THAT(session->Ping(), IsOk());
  EXPECT_LE(server_->engine().stats().requests, 3u);
  auto set = session->Acquire({Layer(6), Layer(7)});
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, {Layer(6), Layer(7)});
  ExpectRight(*session, *leased, {Layer(0)});
  EXPECT_THAT(leased->Release(), IsOk());
  EXPECT_THAT(session->Hint({server_->model().unit_count()}), IsOk());  // sent, and
  EXPECT_THAT(session->Ping(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hint")));
}

TEST_F(SessionTest, WhatIsHintedIsReadyAndIsForgottenWhenNobodyWantsIt) {
  Start(64 << 20, {.hint_life_sets = 2});
  const auto session = Open({.model = {}, .slot_bytes = 4 * kLayerSlot});
  ASSERT_THAT(session->Hint({Layer(2), Layer(3)}), IsOk());
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 2; }));
  EXPECT_THAT(session->Acquire({Layer(3)}), IsOk());
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 1; }));
  for (int i = 0; i < 2; ++i) EXPECT_THAT(session->Acquire({Layer(0)}), IsOk());
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 0; }));
}

TEST_F(SessionTest, ADamagedUnitFailsItsSetAlone) {
  Start();
  const auto session = Open({.model = {}, .walk = Layers(8), .depth = 2, .slot_bytes = 32 << 20});
  auto good = session->Acquire({Layer(0)});
  ASSERT_THAT(good, IsOk());
  ASSERT_TRUE(Within20s([&] { return server_->engine().stats().active_units == 0; }));
  faults_.Fail(server_->model().shard_of(Layer(5)).file_name);
  const auto bad = session->Acquire({Layer(0), Layer(5)});
  ASSERT_THAT(bad, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.5")));
  faults_.Mend();
  auto again = session->Acquire({Layer(0), Layer(5)});
  ASSERT_THAT(again, IsOk());
  ExpectRight(*session, *again, {Layer(0), Layer(5)});
}

TEST_F(SessionTest, TheEndOfASessionGivesEverythingBack) {
  Start();
  for (const bool orderly : {true, false}) {
    auto session =
        Open({.model = {}, .walk = Layers(8), .cyclic = true, .depth = 3, .slot_bytes = 48 << 20});
    auto set = session->Acquire({Layer(0), Layer(1)});
    ASSERT_THAT(set, IsOk());
    ASSERT_THAT(session->Hint({Layer(7)}), IsOk());
    ASSERT_THAT(session->StartAcquire({Layer(5)}), IsOk());
    if (!orderly) session->Cancel();
    *set = LeasedSet();
    session.reset();
    EXPECT_TRUE(EverythingIsGivenBack());
  }
}

TEST_F(SessionTest, ADaemonThatStopsSaysSo) {
  Start();
  const auto session = Open();
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  EXPECT_FALSE(server_->server().Drain(std::chrono::milliseconds(0), nullptr));
  EXPECT_THAT(session->Ping(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting")));
}

}  // namespace
}  // namespace ecf8
