#include "loader/memory/frame_space.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace ecf8 {
namespace {

constexpr uint64_t kFrame = 64 << 10;

// Where they lie: a Span's own comparison would read what lies there.
using Places = std::vector<std::pair<uint8_t*, uint64_t>>;
Places PlacesOf(const Extents& extents) {
  Places places;
  for (const absl::Span<uint8_t>& extent : extents) {
    places.emplace_back(extent.data(), extent.size());
  }
  return places;
}

class FrameSpaceTest : public ::testing::Test {
 protected:
  // Memory that nobody touches.
  uint8_t* const base_ = reinterpret_cast<uint8_t*>(uintptr_t{1} << 40);
  FrameSpace space_{absl::Span<uint8_t>(base_, 8 * kFrame + 12345), kFrame};
};

TEST_F(FrameSpaceTest, RoundsUpToFrames) {
  EXPECT_EQ(space_.capacity_bytes(), 8 * kFrame);
  EXPECT_EQ(space_.FrameBytes(0), 0u);
  EXPECT_EQ(space_.FrameBytes(1), kFrame);
  EXPECT_EQ(space_.FrameBytes(kFrame), kFrame);
  EXPECT_EQ(space_.FrameBytes(kFrame + 1), 2 * kFrame);
  const auto extents = space_.Allocate(kFrame + 1);
  ASSERT_TRUE(extents.has_value());
  EXPECT_EQ(PlacesOf(*extents), (Places{{base_, 2 * kFrame}}));
  EXPECT_EQ(space_.free_bytes(), 6 * kFrame);
  space_.Free(*extents);
  EXPECT_EQ(space_.free_bytes(), 8 * kFrame);
}

TEST_F(FrameSpaceTest, FragmentedMemoryComesInSeveralExtents) {
  std::vector<Extents> frames;
  for (int i = 0; i < 8; ++i) frames.push_back(*space_.Allocate(1));
  for (const int i : {1, 2, 3, 6}) space_.Free(frames[static_cast<size_t>(i)]);
  EXPECT_EQ(space_.largest_run_bytes(), 3 * kFrame);
  EXPECT_EQ(space_.Allocate(5 * kFrame), std::nullopt);
  EXPECT_EQ(space_.Allocate(std::numeric_limits<uint64_t>::max()), std::nullopt);
  const auto extents = space_.Allocate(4 * kFrame);
  ASSERT_TRUE(extents.has_value());
  EXPECT_EQ(PlacesOf(*extents),
            (Places{{base_ + kFrame, 3 * kFrame}, {base_ + 6 * kFrame, kFrame}}));
  space_.Free(*extents);
  EXPECT_EQ(space_.free_bytes(), 4 * kFrame);
}

TEST_F(FrameSpaceTest, TakesJustTheFramesThatAreNamed) {
  const FrameRuns runs = {{5, 2}, {1, 1}};
  const auto extents = space_.Take(runs);
  ASSERT_TRUE(extents.has_value());
  EXPECT_EQ(PlacesOf(*extents),
            (Places{{base_ + 5 * kFrame, 2 * kFrame}, {base_ + kFrame, kFrame}}));
  EXPECT_EQ(space_.RunsOf(*extents), runs);
  EXPECT_EQ(space_.Take({{2, 1}, {6, 1}}), std::nullopt);
  EXPECT_EQ(space_.Take({{2, 7}}), std::nullopt);
  EXPECT_EQ(space_.free_bytes(), 5 * kFrame) << "all of it or nothing";
  space_.Free(*extents);
  EXPECT_EQ(space_.largest_run_bytes(), 8 * kFrame);
}

TEST_F(FrameSpaceTest, NoMemoryHasNoFrames) {
  FrameSpace none({}, kFrame);
  EXPECT_EQ(none.capacity_bytes(), 0u);
  EXPECT_EQ(none.Allocate(1), std::nullopt);
}

}  // namespace
}  // namespace ecf8
