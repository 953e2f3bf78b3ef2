#include "loader/session/session_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SessionWalk, LooksAheadOfTheClient) {
  SessionWalk walk({10, 20, 30, 40}, /*cyclic=*/false, 2);
  EXPECT_THAT(walk.Ahead(), ElementsAre(10, 20));
  walk.Reached(20);
  EXPECT_THAT(walk.Ahead(), ElementsAre(30, 40));
  walk.Reached(99);  // an expert, which is not of the walk
  EXPECT_THAT(walk.Ahead(), ElementsAre(30, 40));
  walk.Reached(30);
  EXPECT_THAT(walk.Ahead(), ElementsAre(40));
  walk.Reached(40);
  EXPECT_THAT(walk.Ahead(), IsEmpty());
  walk.Reached(10);  // it begins anew after all
  EXPECT_THAT(walk.Ahead(), ElementsAre(20, 30));
}

TEST(SessionWalk, ACyclicOneHasNoEnd) {
  SessionWalk walk({10, 20, 30}, /*cyclic=*/true, 2);
  walk.Reached(20);
  EXPECT_THAT(walk.Ahead(), ElementsAre(30, 10));
  walk.Reached(30);
  EXPECT_THAT(walk.Ahead(), ElementsAre(10, 20));
}

TEST(SessionWalk, IsNeverDeeperThanItIsLong) {
  EXPECT_THAT(SessionWalk({10, 20}, true, 100).Ahead(), ElementsAre(10, 20));
  EXPECT_THAT(SessionWalk({}, true, 100).Ahead(), IsEmpty());
}

TEST(SessionWalk, Skips) {
  SessionWalk cyclic({10, 20, 30}, true, 1);
  cyclic.Skip(2);
  EXPECT_THAT(cyclic.Ahead(), ElementsAre(30));
  cyclic.Skip((uint64_t{1} << 62) + 2);  // 2^62 + 2 = 0 modulo 3
  EXPECT_THAT(cyclic.Ahead(), ElementsAre(30));
  SessionWalk once({10, 20, 30}, false, 1);
  once.Skip(~uint64_t{0});
  EXPECT_THAT(once.Ahead(), IsEmpty());
  SessionWalk none;
  none.Skip(5);
  EXPECT_THAT(none.Ahead(), IsEmpty());
}

}  // namespace
}  // namespace ecf8
