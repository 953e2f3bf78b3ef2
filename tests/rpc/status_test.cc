// What a client is told of the daemon's tiers.

#include "rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::TestServer;

TEST(Status, TellsOfUnitsThatAreDecodedFromTheDevice) {
  EngineOptions engine = testing::SmallEngine();
  engine.device_budget_bytes = 16 << 20;
  engine.slot_budget_bytes = 4 << 20;  // a unit at a time
  TestServer server({.layers = 4}, engine);
  const auto client = server.Connect();
  const auto fetch_all = [&] {
    CollectingSink sink;
    EXPECT_THAT(client->Fetch(Request(v1::FORM_DECODED), true, sink), IsOk());
    EXPECT_EQ(sink.tensors, server.tensors());
    auto status = client->GetStatus();
    EXPECT_THAT(status, IsOk());
    return *status;
  };
  const v1::GetStatusResponse first = fetch_all();
  EXPECT_EQ(first.device().capacity_bytes(), 16u << 20);
  EXPECT_LT(first.device().free_bytes(), first.device().capacity_bytes());
  EXPECT_EQ(first.device().units(), server.model().unit_count());
  EXPECT_EQ(first.device().misses(), server.model().unit_count());
  EXPECT_GT(first.pipeline().copied_bytes(), 0u);
  EXPECT_GT(first.pipeline().copy_ns(), 0u);
  const v1::GetStatusResponse second = fetch_all();
  EXPECT_GT(second.device().hits(), 0u);
  EXPECT_EQ(second.pipeline().read_bytes(), first.pipeline().read_bytes());
  EXPECT_EQ(second.pipeline().copied_bytes(), first.pipeline().copied_bytes());
  EXPECT_GT(second.pipeline().decoded_bytes(), first.pipeline().decoded_bytes());
}

}  // namespace
}  // namespace ecf8
