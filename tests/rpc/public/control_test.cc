// Client: what a daemon is told to hold, and what it says of itself.

#include "ecf8/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/public/library_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::LibraryTest;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

class ClientControlTest : public LibraryTest {};

TEST_F(ClientControlTest, PreloadsAndTellsWhatIsThere) {
  Start();
  const Client client = Connect();
  const auto before = client.Status();
  ASSERT_THAT(before, IsOk());
  EXPECT_EQ(before->slots.capacity_bytes, 32u << 20);
  EXPECT_EQ(before->slots.units, 0u);
  PreloadReport last;
  const auto end = client.Preload(
      {.model = "small", .units = {"layers.1", "layers.2"}, .tier = MemoryTier::kSlots},
      [&last](const PreloadReport& report) { last = report; });
  ASSERT_THAT(end, IsOk());
  EXPECT_EQ(end->units, 2u);
  EXPECT_EQ(end->units_done, 2u);
  EXPECT_EQ(end->units_not_kept, 0u);
  EXPECT_GT(end->size_bytes, 2u * 1100 * 1024);
  EXPECT_EQ(end->done_bytes, end->size_bytes);
  EXPECT_EQ(end->loaded_bytes, end->size_bytes);
  EXPECT_EQ(last.units_done, 2u);
  const auto after = client.Status();
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->slots.units, 2u);
  EXPECT_GE(after->decoded_bytes, 2u * 1100 * 1024);
  EXPECT_LT(after->slots.free_bytes, before->slots.free_bytes);
}

TEST_F(ClientControlTest, SaysWhyNot) {
  Start();
  const Client client = Connect();
  EXPECT_THAT(client.Preload({.model = "nothing"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing")));
  CallOptions expired;
  const Cancellation cancelled;
  cancelled.Cancel();
  expired.cancellation = &cancelled;
  EXPECT_EQ(client.Preload({.model = "small"}, {}, expired).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ecf8
