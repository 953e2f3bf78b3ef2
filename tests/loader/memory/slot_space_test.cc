#include "loader/memory/slot_space.h"

#include <gtest/gtest.h>

#include <vector>

namespace ecf8 {
namespace {

constexpr uint64_t kPage = kSlotPageBytes;

class SlotSpaceTest : public ::testing::Test {
 protected:
  // Memory that nobody touches.
  uint8_t* const base_ = reinterpret_cast<uint8_t*>(uintptr_t{1} << 40);
  SlotSpace space_{absl::Span<uint8_t>(base_, 8 * kPage + 12345)};
};

TEST_F(SlotSpaceTest, RoundsUpToPages) {
  EXPECT_EQ(space_.capacity_bytes(), 8 * kPage);
  EXPECT_EQ(SlotSpace::SlotBytes(0), 0u);
  EXPECT_EQ(SlotSpace::SlotBytes(1), kPage);
  EXPECT_EQ(SlotSpace::SlotBytes(kPage), kPage);
  EXPECT_EQ(SlotSpace::SlotBytes(kPage + 1), 2 * kPage);
  const auto slot = space_.Allocate(kPage + 1);
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(slot->size(), 2 * kPage);
  EXPECT_EQ(space_.free_bytes(), 6 * kPage);
  space_.Free(*slot);
  EXPECT_EQ(space_.free_bytes(), 8 * kPage);
}

TEST_F(SlotSpaceTest, NothingTakesNothing) {
  const auto slot = space_.Allocate(0);
  ASSERT_TRUE(slot.has_value());
  EXPECT_TRUE(slot->empty());
  space_.Free(*slot);
  EXPECT_EQ(space_.free_bytes(), space_.capacity_bytes());
}

TEST_F(SlotSpaceTest, ASlotIsOneRunOrNone) {
  std::vector<absl::Span<uint8_t>> slots;
  for (int i = 0; i < 8; ++i) slots.push_back(*space_.Allocate(kPage));
  EXPECT_FALSE(space_.Allocate(1).has_value());
  for (int i = 0; i < 8; i += 2) space_.Free(slots[static_cast<size_t>(i)]);
  EXPECT_EQ(space_.free_bytes(), 4 * kPage);
  EXPECT_FALSE(space_.Allocate(2 * kPage).has_value());
  space_.Free(slots[1]);
  const auto slot = space_.Allocate(3 * kPage);
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(slot->data(), base_);
}

}  // namespace
}  // namespace ecf8
