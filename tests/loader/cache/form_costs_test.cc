#include "loader/cache/form_costs.h"

#include <gtest/gtest.h>

namespace ecf8 {
namespace {

constexpr uint64_t kStored = 36'500'000, kDecoded = 44'000'000, kSlot = 44'040'192;

TEST(SavedByDecoded, IsWhatTheStagesBehindTheStoredBytesCost) {
  const FormCosts costs = {3, 1, 0.5};
  const double cost = 4.5 * kSlot;
  EXPECT_DOUBLE_EQ(SavedByDecoded(costs, StoredPlace::kDevice, kStored, kDecoded, kSlot),
                   0.5 * kDecoded / cost);
  EXPECT_DOUBLE_EQ(SavedByDecoded(costs, StoredPlace::kHost, kStored, kDecoded, kSlot),
                   (kStored + 0.5 * kDecoded) / cost);
  EXPECT_DOUBLE_EQ(SavedByDecoded(costs, StoredPlace::kDisk, kStored, kDecoded, kSlot),
                   (4.0 * kStored + 0.5 * kDecoded) / cost);
}

// One NVMe disk, PCIe 5, and a GPU that decodes at 1.35 T weights/s; or two cores that decode.
TEST(SavedByDecoded, DecodingIsNearlyFreeOnAGpuAndDearOnACpu) {
  const FormCosts gpu = {1 / 7e9, 1 / 55e9, 1 / 1.35e12};
  const FormCosts cpu = {1 / 7e9, 0, 1 / 5e9};
  const auto saved = [](const FormCosts& costs, StoredPlace place) {
    return SavedByDecoded(costs, place, kStored, kDecoded, kSlot);
  };
  EXPECT_LT(saved(gpu, StoredPlace::kDevice), 0.01 * saved(gpu, StoredPlace::kDisk));
  EXPECT_GT(saved(cpu, StoredPlace::kDevice), 0.5 * saved(cpu, StoredPlace::kDisk));
  EXPECT_EQ(saved(cpu, StoredPlace::kDevice), saved(cpu, StoredPlace::kHost));
}

TEST(SavedByDecoded, WithoutCostsAllAreAlike) {
  EXPECT_EQ(SavedByDecoded({}, StoredPlace::kDevice, kStored, kDecoded, kSlot), 1);
  EXPECT_EQ(SavedByDecoded({1, 1, 1}, StoredPlace::kDisk, 0, 0, 0), 1);
}

}  // namespace
}  // namespace ecf8
