// Clients of a GPU's slots that are killed: their memory comes back, made anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/rpc/gpu_session_fixture.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/subprocess.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::GpuClient;
using ::ecf8::testing::GpuSessionTest;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kGpuLayerSlot;
using ::ecf8::testing::OpenDescriptors;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::Within20s;

constexpr char kVariable[] = "ECF8_TEST_GPU_CLIENT";  // a client's environment: its daemon's socket

// Nothing, but in a client's process: walks until it is killed, and writes over what it has read.
TEST(GpuClientProcess, WalksUntilItIsKilled) {
  const char* const socket = std::getenv(kVariable);
  if (socket == nullptr) return;
  GpuClient client(Address{.socket_path = socket});
  const auto session = client.OpenAfterOthers({.model = "small",
                                               .walk = {0, 1, 2, 3, 4, 5, 6, 7},
                                               .cyclic = true,
                                               .depth = 2,
                                               .slot_bytes = 5 * kGpuLayerSlot});
  while (true) {
    for (uint32_t unit = 0; unit < session->units().size(); ++unit) {
      auto set = session->Acquire({unit});
      ASSERT_THAT(set, IsOk());
      client.bytes().Fill(set->unit_dev(0), 0xEE);
    }
  }
}

TEST_F(GpuSessionTest, AKilledClientLeavesNothing) {
  Start(6 * kGpuLayerSlot);
  ExpectFetched();
  const size_t descriptors = OpenDescriptors();
  std::mt19937 random(1);
  for (int i = 0; i < 6; ++i) {
    testing::SubprocessGifts gifts;
    gifts.environment.emplace_back(kVariable);
    gifts.environment.back() += "=" + server_->address().socket_path;
    std::vector<std::string> arguments = {"/proc/self/exe", "--gtest_output="};
    arguments.emplace_back("--gtest_filter=GpuClientProcess.*");
    Subprocess process(std::move(arguments), gifts);
    if (i % 3 != 0) {
      ASSERT_TRUE(Within20s([&] { return server_->server().session_count() == 1; }));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 150));
    process.Signal(SIGKILL);
    EXPECT_EQ(process.Wait(), -SIGKILL) << process.Stdout() << process.Stderr();
    ASSERT_TRUE(EverythingIsGivenBack());
    EXPECT_EQ(server_->engine().stats().slots.free_bytes <= slot_bytes(), true);
    GpuClient client(server_->address());
    const auto session = client.OpenAfterOthers({.model = {}, .slot_bytes = 5 * kGpuLayerSlot});
    auto set = session->Acquire(Layers(5));
    ASSERT_THAT(set, IsOk());
    client.ExpectRight(*session, *set, server_->tensors());
  }
  ASSERT_TRUE(EverythingIsGivenBack());
  ExpectFetched();
  // gRPC gives a connection's descriptor back a little later.
  EXPECT_TRUE(Within20s([&] { return OpenDescriptors() <= descriptors; }))
      << OpenDescriptors() << " now, " << descriptors << " before";
}

}  // namespace
}  // namespace ecf8
