// Planted bugs: the emulator must find each.
#include "tests/emulation/warp_emulator.h"

#include <cuda_intrinsics_host.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/emulation/device_memory.h"

namespace ecf8::emulation {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr size_t kSharedBytes = 4096;

class WarpEmulatorTest : public testing::Test {
 protected:
  ~WarpEmulatorTest() override { Device() = DeviceProperties(); }

  // The error of a launch of one block.
  static std::string Run(const std::function<void()>& kernel, uint32_t warps = 1) {
    const bool ok = Launch(Dim3(1), Dim3(warps * kWarpLanes), kSharedBytes, kernel);
    EXPECT_EQ(ok, LaunchError().empty());
    return LaunchError();
  }
};

uint32_t Lane() { return threadIdx.x % kWarpLanes; }
uint32_t Own() { return SharedMemory() + threadIdx.x * 8; }

TEST_F(WarpEmulatorTest, RunsCollectives) {
  std::vector<uint32_t> ballots(64);
  std::vector<uint32_t> shuffled(64);
  std::vector<uint32_t> reduced(64);
  EXPECT_THAT(Run(
                  [&] {
                    const uint32_t at = threadIdx.x;
                    ballots[at] = __ballot_sync(kWholeWarp, Lane() % 3 == 0);
                    shuffled[at] = __shfl_sync(kWholeWarp, at, Lane() + 1);
                    reduced[at] = __reduce_or_sync(kWholeWarp, at);
                    if (Lane() < 4) ballots[at] = __ballot_sync(15, Lane() == 2);
                  },
                  2),
              IsEmpty());
  for (uint32_t i = 0; i < 64; ++i) {
    EXPECT_EQ(ballots[i], i % 32 < 4 ? 4 : 0x49249249);
    EXPECT_EQ(shuffled[i], i / 32 * 32 + (i + 1) % 32);
    EXPECT_EQ(reduced[i], i < 32 ? 31 : 63);
  }
}

TEST_F(WarpEmulatorTest, BarriersOrder) {
  for (uint64_t schedule = 0; schedule < 20; ++schedule) {
    Device().schedule = schedule;
    EXPECT_THAT(Run(
                    [] {
                      StoreShared64(Own(), make_uint2(threadIdx.x, 0));
                      __syncwarp();
                      EXPECT_EQ(LoadShared16(Own() ^ 8), threadIdx.x ^ 1);
                      __syncthreads();
                      EXPECT_EQ(LoadShared16(Own() ^ 256), threadIdx.x ^ 32);
                      __syncthreads();
                      StoreShared64(Own() ^ 256, make_uint2(0, 0));
                    },
                    2),
                IsEmpty());
  }
}

TEST_F(WarpEmulatorTest, FindsRaces) {
  const auto write = [] { StoreShared64(Own(), make_uint2(1, 2)); };
  const auto initialise = [&] {
    write();
    __syncthreads();
  };
  // Whoever comes second is found, whatever the order.
  for (uint64_t schedule = 0; schedule < 5; ++schedule) {
    Device().schedule = schedule;
    EXPECT_THAT(Run([&] {
                  initialise();
                  write();
                  LoadShared16(Own() ^ 8);
                }),
                HasSubstr("race: "));
    // A warp's barrier does not order two warps.
    EXPECT_THAT(Run(
                    [&] {
                      initialise();
                      write();
                      __syncwarp();
                      LoadShared16(Own() ^ 256);
                    },
                    2),
                HasSubstr("race: "));
  }
  // A ballot is no barrier.
  EXPECT_THAT(Run([&] {
                write();
                __ballot_sync(kWholeWarp, true);
                LoadShared16(Own() ^ 8);
              }),
              HasSubstr("race: read"));
  EXPECT_THAT(Run([&] {
                initialise();
                LoadShared16(Own() ^ 8);
                __ballot_sync(kWholeWarp, true);
                write();
              }),
              HasSubstr("race: write of shared memory that another thread read"));
  EXPECT_THAT(Run([&] { StoreShared64(SharedMemory(), make_uint2(0, 0)); }),
              HasSubstr("race: write of shared memory that another thread wrote"));
}

TEST_F(WarpEmulatorTest, FindsDivergence) {
  EXPECT_THAT(Run([] {
                if (Lane() != 7) __syncwarp();
              }),
              HasSubstr("divergence"));
  EXPECT_THAT(Run([] {
                if (Lane() < 16) {
                  __ballot_sync(kWholeWarp, true);
                } else {
                  __syncwarp();
                }
              }),
              HasSubstr("divergence"));
  EXPECT_THAT(Run([] { __ballot_sync(0xFFFF, true); }), HasSubstr("lacks the caller"));
  EXPECT_THAT(Run(
                  [] {
                    if (threadIdx.x < 40) __syncthreads();
                  },
                  2),
              HasSubstr("divergence"));
  EXPECT_THAT(Run(
                  [] {
                    if (Lane() == 0) {
                      __syncthreads();
                    } else {
                      __syncwarp();
                    }
                  },
                  2),
              HasSubstr("divergence"));
  EXPECT_THAT(Run([] {
                if (Lane() < 4) __shfl_sync(15, 1, 9);
              }),
              HasSubstr("takes no part"));
}

TEST_F(WarpEmulatorTest, FindsBadSharedAccesses) {
  EXPECT_THAT(Run([] { LoadShared16(Own()); }), HasSubstr("nobody wrote"));
  EXPECT_THAT(Run([] { StoreShared64(SharedMemory() + kSharedBytes, make_uint2(0, 0)); }),
              HasSubstr("out of bounds"));
  EXPECT_THAT(Run([] { LoadShared16(SharedMemory() - 2); }), HasSubstr("out of bounds"));
  EXPECT_THAT(Run([] { StoreShared64(Own() + 4, make_uint2(0, 0)); }), HasSubstr("no multiple"));
}

TEST_F(WarpEmulatorTest, FindsBadGlobalAccesses) {
  DeviceBuffer input(100, DeviceBuffer::Access::kRead);
  DeviceBuffer output(100, DeviceBuffer::Access::kReadWrite);
  EXPECT_THAT(Run([&] { LoadGlobal32(input.data() + 96); }), IsEmpty());
  EXPECT_THAT(Run([&] { LoadGlobal64(input.data() + 96); }), HasSubstr("out of bounds"));
  EXPECT_THAT(Run([&] { LoadGlobal32(input.data() - 4); }), HasSubstr("out of bounds"));
  EXPECT_THAT(Run([&] { LoadGlobal64(input.data() + 4); }), HasSubstr("no multiple"));
  EXPECT_THAT(Run([&] { PrefetchGlobal(input.data() + 99); }), IsEmpty());
  EXPECT_THAT(Run([&] { PrefetchGlobal(input.data() + 100); }), HasSubstr("out of bounds"));
  EXPECT_THAT(Run([&] { StoreGlobal8(input.data(), 1); }), HasSubstr("only read"));
  EXPECT_THAT(Run([&] { StoreGlobal8(output.data() + 100, 1); }), HasSubstr("out of bounds"));
}

TEST_F(WarpEmulatorTest, CountsBankConflicts) {
  StartCounting(1024);
  EXPECT_THAT(Run([] {
                for (uint32_t i = 0; i < 8; ++i) {
                  StoreShared128(SharedMemory() + Lane() * 16 + i * 512, make_uint4(0, 0, 0, 0));
                }
                __syncwarp();
                LoadShared16(SharedMemory() + Lane() * 4);  // one word of every bank
                LoadShared16(SharedMemory() + Lane() * 2);  // a word serves two lanes
                LoadShared16(SharedMemory() + Lane() * 8);  // two words of every other bank
                LoadShared16(SharedMemory() + 2048 + Lane() % 8 * 128);  // eight of one bank
              }),
              IsEmpty());
  const TrafficCounts counts = StopCounting();
  EXPECT_EQ(counts.shared_stores.requests, 8);
  EXPECT_EQ(counts.shared_stores.wavefronts, 32);
  EXPECT_EQ(counts.word_loads.requests, 3);
  EXPECT_EQ(counts.word_loads.wavefronts, 4);
  EXPECT_EQ(counts.table_loads.requests, 1);
  EXPECT_EQ(counts.table_loads.wavefronts, 8);
}

TEST_F(WarpEmulatorTest, RefusesWhatNoDeviceRuns) {
  EXPECT_FALSE(Launch(Dim3(1), Dim3(33), 0, [] {}));
  EXPECT_FALSE(Launch(Dim3(1), Dim3(4096), 0, [] {}));
  EXPECT_FALSE(Launch(Dim3(1), Dim3(32), 1 << 20, [] {}));
}

}  // namespace
}  // namespace ecf8::emulation
