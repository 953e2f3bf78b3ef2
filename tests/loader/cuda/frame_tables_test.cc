#include "loader/cuda/frame_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FrameTablesTest, ForgetsWhatIsWrittenOver) {
  uint8_t frames[64];
  FrameTables tables;
  tables.Put(frames, std::vector<uint8_t>{1, 2});
  tables.Put(frames + 16, std::vector<uint8_t>{3});
  tables.Put(frames + 32, std::vector<uint8_t>{4});
  tables.Forget({frames + 1, 31});
  EXPECT_THAT(tables.Get(frames), ElementsAre(1, 2));
  EXPECT_THAT(tables.Get(frames + 16), IsEmpty());
  EXPECT_THAT(tables.Get(frames + 32), ElementsAre(4));
  tables.Put(frames, std::vector<uint8_t>{5});
  EXPECT_THAT(tables.Get(frames), ElementsAre(5));
}

}  // namespace
}  // namespace ecf8
