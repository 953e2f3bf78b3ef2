#include "loader/cache/form_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ecf8 {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kNone = ResidentForm::kNone;
constexpr auto kHost = ResidentForm::kHostStored;
constexpr auto kStored = ResidentForm::kDeviceStored;
constexpr auto kDecoded = ResidentForm::kDeviceDecoded;

// One NVMe disk, PCIe 5, a GPU that decodes at 1.35 T weights/s.
constexpr FormCosts kGpu = {1 / 7e9, 1 / 55e9, 1 / 1.35e12};

std::vector<FormUnit> Experts(size_t count) {
  std::vector<FormUnit> units;
  for (size_t i = 0; i < count; ++i) {
    units.push_back({36'500'000, 44'000'000, 1.0 / static_cast<double>(i + 1)});
  }
  return units;
}

uint64_t DeviceBytes(const std::vector<FormUnit>& units, const std::vector<ResidentForm>& forms) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    if (forms[i] == kStored) bytes += units[i].stored_size_bytes;
    if (forms[i] == kDecoded) bytes += units[i].decoded_size_bytes;
  }
  return bytes;
}

TEST(FormPlanner, Nothing) {
  EXPECT_THAT(PlanForms({}, kGpu, {100, 100}), IsEmpty());
  EXPECT_THAT(PlanForms(Experts(3), kGpu, {0, 0}), Each(kNone));
}

TEST(FormPlanner, CompressedResidenceHoldsMoreExpertsInTheSameBytes) {
  const std::vector<FormUnit> units = Experts(1000);
  const uint64_t device_bytes = 200 * 44'000'000ull;  // 200 decoded experts
  const auto forms = PlanForms(units, kGpu, {device_bytes, 0});
  EXPECT_LE(DeviceBytes(units, forms), device_bytes);
  const auto resident = std::count(forms.begin(), forms.end(), kStored) +
                        std::count(forms.begin(), forms.end(), kDecoded);
  EXPECT_GE(static_cast<double>(resident), 1.15 * 200);
}

TEST(FormPlanner, AModelThatFitsCompressedIsResidentCompressed) {
  const std::vector<FormUnit> units = Experts(100);
  EXPECT_THAT(PlanForms(units, kGpu, {100 * 36'500'000ull, 0}), Each(kStored));
  // One more expert's growth is the most used one's.
  auto forms = PlanForms(units, kGpu, {100 * 36'500'000ull + 7'500'000, 0});
  EXPECT_EQ(forms[0], kDecoded);
  forms.erase(forms.begin());
  EXPECT_THAT(forms, Each(kStored));
  // Even where decoding is dear.
  EXPECT_THAT(PlanForms(units, {1 / 7e9, 0, 1 / 5e9}, {100 * 36'500'000ull, 0}), Each(kStored));
}

TEST(FormPlanner, WhereDecodingIsDearTheMostUsedAreDecoded) {
  // The host device: no copy, 5 GB/s of decoding.
  const FormCosts host = {1 / 7e9, 0, 1 / 5e9};
  const std::vector<FormUnit> units = Experts(4);
  EXPECT_THAT(PlanForms(units, host, {2 * 44'000'000, 0}),
              ElementsAre(kDecoded, kDecoded, kNone, kNone));
}

TEST(FormPlanner, HostMemoryTakesTheNextBest) {
  const std::vector<FormUnit> units = Experts(5);
  EXPECT_THAT(PlanForms(units, kGpu, {2 * 36'500'000, 2 * 36'500'000}),
              ElementsAre(kStored, kStored, kHost, kHost, kNone));
}

TEST(FormPlanner, SkipsWhatDoesNotFitAndGoesOn) {
  const std::vector<FormUnit> units = {{50, 60, 9}, {100, 120, 8}, {30, 36, 7}};
  EXPECT_THAT(PlanForms(units, kGpu, {85, 0}), ElementsAre(kStored, kNone, kStored));
}

TEST(FormPlanner, AUnitStoredRawIsNotDecodedTwice) {
  // No growth: decoded at once.
  const std::vector<FormUnit> units = {{100, 100, 1}, {104, 100, 1}, {0, 0, 0}};
  const auto forms = PlanForms(units, kGpu, {150, 0});
  EXPECT_EQ(forms[0], kDecoded);
  EXPECT_EQ(forms[1], kNone);
}

// Against every assignment of small cases: greedy is never worse than the best by more than the
// dearest unit.
TEST(FormPlanner, NearTheBestOfAllAssignments) {
  const FormCosts costs = {3, 1, 1.5};
  const auto saved = [&costs](const FormUnit& unit, ResidentForm form) {
    const auto stored = static_cast<double>(unit.stored_size_bytes);
    const auto decoded = static_cast<double>(unit.decoded_size_bytes);
    double seconds = 0;
    if (form != kNone) seconds += stored * costs.read_seconds_per_stored_byte;
    if (form == kStored || form == kDecoded) seconds += stored * costs.copy_seconds_per_stored_byte;
    if (form == kDecoded) seconds += decoded * costs.decode_seconds_per_decoded_byte;
    return unit.uses * seconds;
  };
  uint32_t state = 1;
  const auto random = [&state](uint32_t limit) {
    state = state * 1'664'525 + 1'013'904'223;
    return (state >> 16) % limit;
  };
  for (int run = 0; run < 200; ++run) {
    std::vector<FormUnit> units;
    double dearest = 0;
    for (int i = 0; i < 6; ++i) {
      const uint64_t stored = 5 + random(10);
      units.push_back({stored, stored + random(8), static_cast<double>(1 + random(9))});
      dearest = std::max(dearest, saved(units.back(), kDecoded));
    }
    const FormBudgets budgets = {20 + random(40), 0};
    const auto forms = PlanForms(units, costs, budgets);
    ASSERT_LE(DeviceBytes(units, forms), budgets.device_bytes);
    double ours = 0, best = 0;
    for (size_t i = 0; i < units.size(); ++i) ours += saved(units[i], forms[i]);
    for (int code = 0; code < 729; ++code) {
      std::vector<ResidentForm> other;
      for (int i = 0, rest = code; i < 6; ++i, rest /= 3) {
        other.push_back(rest % 3 == 0 ? kNone : rest % 3 == 1 ? kStored : kDecoded);
      }
      if (DeviceBytes(units, other) > budgets.device_bytes) continue;
      double total = 0;
      for (size_t i = 0; i < units.size(); ++i) total += saved(units[i], other[i]);
      best = std::max(best, total);
    }
    EXPECT_GE(ours, best - dearest);
    EXPECT_LE(ours, best + 1e-9);
  }
}

}  // namespace
}  // namespace ecf8
