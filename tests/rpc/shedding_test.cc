// When connections go, and which.

#include "rpc/shedding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace ecf8 {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class SheddingClockTest : public ::testing::Test {
 protected:
  // With a heap of so many MiB, so much later.
  Shedding Look(uint64_t heap, milliseconds later = milliseconds(20)) {
    return clock_.Look(heap * kMiB, is_settling_, now_ += later);
  }

  SheddingClock clock_{160 * kMiB};
  SheddingClock::Clock::time_point now_{std::chrono::hours(1)};
  bool is_settling_ = false;
};

TEST_F(SheddingClockTest, NothingIsDoneBelowTheLimit) {
  for (uint64_t heap = 0; heap < 160; ++heap) EXPECT_EQ(Look(heap), Shedding::kNone);
  EXPECT_FALSE(clock_.is_over());
  EXPECT_TRUE(clock_.MayAccept(now_));
}

TEST_F(SheddingClockTest, OnceAsItGoesBeyondAndAsItGrowsOn) {
  EXPECT_EQ(Look(160), Shedding::kUnserved);
  EXPECT_EQ(Look(169), Shedding::kNone) << "less than a sixteenth more";
  EXPECT_EQ(Look(171), Shedding::kNone) << "what they had begun has not ended";
  EXPECT_EQ(Look(171, milliseconds(500)), Shedding::kUnserved);
  EXPECT_EQ(Look(171, milliseconds(1000)), Shedding::kNone) << "it stays";
  EXPECT_EQ(Look(162), Shedding::kNone);
  EXPECT_EQ(Look(172), Shedding::kUnserved) << "it grows again";
  EXPECT_EQ(Look(199), Shedding::kUnserved);
  EXPECT_EQ(Look(200), Shedding::kNone);
  EXPECT_EQ(Look(209), Shedding::kAny) << "more than a quarter";
  EXPECT_EQ(Look(219), Shedding::kUnserved);
}

TEST_F(SheddingClockTest, ThoseThatWereCutMayGoFirst) {
  EXPECT_EQ(Look(160), Shedding::kUnserved);
  is_settling_ = true;
  EXPECT_EQ(Look(200, milliseconds(1000)), Shedding::kNone);
  EXPECT_FALSE(clock_.MayAccept(now_));
  EXPECT_EQ(Look(250, milliseconds(1000)), Shedding::kNone);
  is_settling_ = false;
  EXPECT_EQ(Look(255, milliseconds(1000)), Shedding::kNone);
  EXPECT_EQ(Look(260), Shedding::kUnserved) << "more than when they were gone";
  is_settling_ = true;
  EXPECT_EQ(Look(270, milliseconds(1000)), Shedding::kNone);
  EXPECT_EQ(Look(440), Shedding::kNone);
  EXPECT_EQ(Look(480), Shedding::kAny) << "three times the limit";
}

TEST_F(SheddingClockTest, ItIsOverUntilItIsWellBelow) {
  EXPECT_EQ(Look(200), Shedding::kUnserved);
  EXPECT_EQ(Look(150), Shedding::kNone);
  EXPECT_TRUE(clock_.is_over());
  EXPECT_EQ(Look(159, milliseconds(1000)), Shedding::kNone);
  EXPECT_EQ(Look(139), Shedding::kNone);
  EXPECT_FALSE(clock_.is_over());
  EXPECT_EQ(Look(159), Shedding::kNone);
  EXPECT_EQ(Look(160), Shedding::kUnserved);
}

TEST_F(SheddingClockTest, NobodyNewComesUntilItIsCalm) {
  Look(200);
  EXPECT_FALSE(clock_.MayAccept(now_));
  Look(205, milliseconds(900));
  EXPECT_FALSE(clock_.MayAccept(now_));
  Look(204, milliseconds(999));
  EXPECT_FALSE(clock_.MayAccept(now_));
  Look(203, milliseconds(1));
  EXPECT_TRUE(clock_.MayAccept(now_)) << "what stays that large is no flood";
  Look(206);
  EXPECT_FALSE(clock_.MayAccept(now_));
  Look(100);
  EXPECT_TRUE(clock_.MayAccept(now_));
}

SheddingCandidate With(uint64_t begun, uint64_t answered, uint64_t broken_off, uint64_t messages,
                       bool has_session = false) {
  return {.counts = ConnectionCounts{.calls_begun = begun,
                                     .calls_answered = answered,
                                     .calls_broken_off = broken_off,
                                     .messages_sent = messages},
          .has_session = has_session};
}

TEST(ChooseToShed, ThoseFirstThatAreNotServed) {
  const SheddingCandidate unknown, silent = With(0, 0, 0, 0), takes = With(90'000, 0, 10, 0),
                                   idle = With(5, 5, 0, 5), fetches = With(5, 4, 0, 900),
                                   breaks = With(900, 10, 800, 10), leaves = With(30, 4, 25, 900),
                                   session = With(1, 0, 0, 1, true);
  EXPECT_THAT(
      ChooseToShed({session, silent, idle, fetches, takes, breaks, unknown}, Shedding::kAny),
      ElementsAre(1, 4, 6));
  EXPECT_THAT(ChooseToShed({session, idle, fetches, breaks, idle}, Shedding::kAny),
              ElementsAre(1, 4));
  EXPECT_THAT(ChooseToShed({session, leaves, fetches, breaks, breaks}, Shedding::kAny),
              ElementsAre(3, 4));
  EXPECT_THAT(ChooseToShed({session, leaves, fetches, fetches, session}, Shedding::kAny),
              ElementsAre(2, 3));
  EXPECT_THAT(ChooseToShed({session, leaves}, Shedding::kAny), ElementsAre(1));
  EXPECT_THAT(ChooseToShed({session, session, session}, Shedding::kAny), ElementsAre(1, 2));
  EXPECT_THAT(ChooseToShed({session}, Shedding::kAny), ElementsAre(0));
  EXPECT_THAT(ChooseToShed({}, Shedding::kAny), IsEmpty());
  EXPECT_THAT(ChooseToShed({session, silent, idle}, Shedding::kUnserved), ElementsAre(1));
  EXPECT_THAT(ChooseToShed({session, idle, breaks}, Shedding::kUnserved), IsEmpty());
}

// Whose process has a session is not spared for that with its other connections.
TEST(ChooseToShed, ASessionKeepsItsOwnConnectionOnly) {
  EXPECT_THAT(ChooseToShed({With(0, 0, 0, 0, true), With(2, 2, 0, 2, true), With(1, 0, 0, 9)},
                           Shedding::kAny),
              ElementsAre(0));
  EXPECT_THAT(ChooseToShed({With(2, 2, 0, 2, true), With(1, 0, 0, 9)}, Shedding::kAny),
              ElementsAre(0));
}

}  // namespace
}  // namespace ecf8
