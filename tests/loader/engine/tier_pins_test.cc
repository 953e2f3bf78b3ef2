#include "loader/engine/tier_pins.h"

#include <gtest/gtest.h>

#include "loader/cache/cache_policy.h"

namespace ecf8 {
namespace {

TEST(TierPins, AUnitIsPinnedAsLongAsItHasAReason) {
  TierPins pins;
  const uint64_t key = CacheKey(1, 7);
  EXPECT_FALSE(pins.Has(key));
  pins.Unkeep(key);  // nothing
  pins.Keep(key, 10);
  pins.Keep(key, 10);
  pins.Hold(key, 10);
  pins.Hold(key, 10);
  EXPECT_EQ(pins.totals(), (UnitTotals{1, 10}));
  pins.Unkeep(key);
  EXPECT_TRUE(pins.Has(key));
  pins.Unhold(key);
  EXPECT_TRUE(pins.Has(key));
  pins.Unhold(key);
  EXPECT_FALSE(pins.Has(key));
  EXPECT_EQ(pins.totals(), UnitTotals());
}

TEST(TierPins, CountsByModel) {
  TierPins pins;
  pins.Keep(CacheKey(1, 0), 10);
  pins.Keep(CacheKey(1, 1), 20);
  pins.Hold(CacheKey(2, 0), 5);
  EXPECT_EQ(pins.totals(), (UnitTotals{3, 35}));
  EXPECT_EQ(pins.by_model().at(1), (UnitTotals{2, 30}));
  EXPECT_EQ(pins.by_model().at(2), (UnitTotals{1, 5}));
  pins.Unhold(CacheKey(2, 0));
  EXPECT_EQ(pins.by_model().size(), 1u);
}

}  // namespace
}  // namespace ecf8
