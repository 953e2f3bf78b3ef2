#include "loader/base/wake_event.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;

bool IsReadable(const WakeEvent& event) {
  pollfd polled = {event.fd(), POLLIN, 0};
  return poll(&polled, 1, 0) == 1;
}

TEST(WakeEventTest, IsReadableFromASignalUntilItIsCleared) {
  const auto event = WakeEvent::Make();
  ASSERT_THAT(event, IsOk());
  EXPECT_FALSE(IsReadable(*event));
  event->Clear();  // of nothing, and waits for nothing
  EXPECT_FALSE(IsReadable(*event));
  event->Signal();
  event->Signal();
  EXPECT_TRUE(IsReadable(*event));
  EXPECT_TRUE(IsReadable(*event));
  event->Clear();
  EXPECT_FALSE(IsReadable(*event));
}

}  // namespace
}  // namespace ecf8
