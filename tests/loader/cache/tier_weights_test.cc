#include "loader/cache/tier_weights.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace ecf8 {
namespace {

constexpr uint64_t kKey = CacheKey(0, 3);
constexpr UnitSizes kSizes = {
    .stored_bytes = 36'500'000, .decoded_bytes = 44'000'000, .slot_bytes = 44'040'192};
constexpr FormCosts kCosts = {3, 1, 0.5};

// Knows only what it was told last.
class ToldPolicy final : public CachePolicy {
 public:
  void SetSaving(uint64_t key, double saving) override {
    EXPECT_EQ(key, kKey);
    saving_ = saving;
  }
  double saving() const { return saving_; }

  void OnAccess(const CacheUnit& /*unit*/, Access /*access*/, bool /*hit*/) override {}
  bool Admit(const CacheUnit& /*unit*/, uint64_t /*missing_bytes*/, bool /*must*/,
             const std::function<bool(uint64_t key)>& /*can_evict*/,
             std::vector<uint64_t>* /*victims*/) override {
    return false;
  }
  void OnInsert(const CacheUnit& /*unit*/) override {}
  void OnEvict(uint64_t /*key*/) override {}

 private:
  double saving_ = -1;
};

class TierWeightsTest : public ::testing::Test {
 protected:
  static double Saved(StoredPlace place) {
    return SavedByDecoded(kCosts, place, kSizes.stored_bytes, kSizes.decoded_bytes,
                          kSizes.slot_bytes);
  }
  void Expect(const StoredCopies& copies, double host, double slots) {
    weights_.Reweigh(kKey, kSizes, copies);
    EXPECT_EQ(host_.saving(), host);
    EXPECT_EQ(slots_.saving(), slots);
  }

  ToldPolicy host_, slots_;
  TierWeights weights_{kCosts, host_, slots_};
};

TEST_F(TierWeightsTest, ASlotSavesWhatTheBestCopyLeavesToDo) {
  Expect({}, 1, Saved(StoredPlace::kDisk));
  Expect({.in_host = true}, 1, Saved(StoredPlace::kHost));
  Expect({.on_device = true}, 0, Saved(StoredPlace::kDevice));
  Expect({.in_host = true, .on_device = true}, 0, Saved(StoredPlace::kDevice));
}

TEST_F(TierWeightsTest, TheHostSavesNothingToWhatTheDeviceHoldsUnlessItIsAskedFor) {
  Expect({.in_host = true, .on_device = true, .asked_stored = true}, 1,
         Saved(StoredPlace::kDevice));
}

// Where the host has the bytes, it saves a copy of them; here it would take a read besides.
TEST_F(TierWeightsTest, AStoredCopyInASlotSavesWhatBringsItThere) {
  const auto expect = [&](bool in_host, double seconds_a_byte) {
    weights_.ReweighStoredSlot(kKey, kSizes.stored_bytes, kSizes.slot_bytes, in_host);
    EXPECT_DOUBLE_EQ(slots_.saving(),
                     seconds_a_byte * kSizes.stored_bytes / (4.5 * kSizes.slot_bytes));
  };
  expect(/*in_host=*/true, 1);
  expect(/*in_host=*/false, 4);
  EXPECT_EQ(host_.saving(), -1);
}

}  // namespace
}  // namespace ecf8
