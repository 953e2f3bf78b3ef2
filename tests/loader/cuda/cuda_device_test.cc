// CudaDevice: what no other device has. What all have alike is in device_conformance_test.cc.
#include "loader/cuda/cuda_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/loader/cuda/cuda_rig.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectDecoded;
using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::FakeCudaOptions;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::JobResults;
using ::ecf8::testing::PagedUnit;
using ::ecf8::testing::RunJob;
using ::ecf8::testing::ScatteredFrames;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

constexpr uint64_t kSlotBytes = 8 * kSlotPageBytes;
constexpr uint64_t kFrameMemoryBytes = 160 * kDeviceFrameBytes;

class CudaDeviceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 3, .projection_rows = 2500});
  }
  static void TearDownTestSuite() { delete expected_; }

  static CudaDeviceOptions Options() {
    return {.slot_budget_bytes = kSlotBytes, .frame_budget_bytes = kFrameMemoryBytes, .threads = 2};
  }
  void Open(const FakeCudaOptions& fake, const CudaDeviceOptions& options) {
    cuda_ = std::make_unique<FakeCuda>(fake);
    auto device = CudaDevice::Create(options, *cuda_, results_);
    ASSERT_THAT(device, IsOk());
    device_ = *std::move(device);
  }
  void Open() { Open({}, Options()); }

  uint8_t* slot_dev(uint64_t page = 0) {
    return device_->slot_memory_dev().data() + page * kSlotPageBytes;
  }

  static ExpectedModel* expected_;
  std::unique_ptr<FakeCuda> cuda_;
  JobResults results_;
  std::unique_ptr<CudaDevice> device_;
};

ExpectedModel* CudaDeviceTest::expected_ = nullptr;

TEST_F(CudaDeviceTest, SaysWhatItIsAndWants) {
  Open({.devices = 2}, {.devices = {1}, .slot_budget_bytes = kSlotBytes, .threads = 2});
  EXPECT_EQ(device_->info().name, "cuda:1");
  EXPECT_EQ(device_->info().host_job_bytes, uint64_t{8} << 20);
  EXPECT_GT(device_->info().host_scratch_bytes, uint64_t{32} << 20);
  EXPECT_TRUE(device_->frame_memory_dev().empty());
}

TEST_F(CudaDeviceTest, PinnedUnitIsOneCopyAndOneLaunch) {
  Open();
  PagedUnit host(*expected_, "layers.0");
  device_->RegisterHostMemory(host.extents[0]);
  EXPECT_EQ(cuda_->calls("HostRegister"), 1u);
  DeviceJob job = host.Job();
  job.slot_dev = slot_dev();
  ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  // The unit; tables and list of tiles; the tiles' errors.
  EXPECT_EQ(cuda_->calls("MemcpyAsync"), 3u);
  EXPECT_EQ(cuda_->calls("LaunchTileDecode"), 1u);
  ExpectDecoded(*device_, *expected_, host, slot_dev());
  device_.reset();  // before the memory goes
}

TEST_F(CudaDeviceTest, FromFramesAUnitIsOneLaunchWithoutACopyOfIt) {
  Open();
  PagedUnit host(*expected_, "layers.1");
  const Extents frames_dev = {device_->frame_memory_dev().subspan(3 * kDeviceFrameBytes)};
  DeviceJob job = host.Job();
  job.frames_dev = &frames_dev;
  job.slot_dev = slot_dev();
  ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  host.Wipe();
  const uint64_t copies = cuda_->calls("MemcpyAsync");
  job.host = nullptr;
  job.verify = false;
  job.slot_dev = slot_dev(4);
  const DeviceJobDone done = RunJob(*device_, results_, job);
  ASSERT_THAT(done.status, IsOk());
  EXPECT_NE(done.tables, nullptr);
  EXPECT_GT(done.times.decode_ns, 0);
  EXPECT_EQ(done.times.copy_ns, 0);
  EXPECT_EQ(cuda_->calls("MemcpyAsync"), copies + 2);  // tables and list of tiles; errors
  EXPECT_EQ(cuda_->calls("LaunchTileDecode"), 2u);
  ExpectDecoded(*device_, *expected_, host, slot_dev(4));
}

// Parts in two runs of frames are put together in the staging memory, as much at a time as it
// holds.
TEST_F(CudaDeviceTest, ScatteredFramesGoThroughLittleStaging) {
  CudaDeviceOptions options = Options();
  options.staging_bytes = kChunkWeights;
  options.flights = 2;
  Open({}, options);
  PagedUnit host(*expected_, "layers.1");
  const Extents frames_dev = ScatteredFrames(device_->frame_memory_dev(), host.unit);
  DeviceJob job = host.Job();
  job.frames_dev = &frames_dev;
  job.slot_dev = slot_dev();
  ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  ExpectDecoded(*device_, *expected_, host, slot_dev());
  host.Wipe();
  job.host = nullptr;
  job.verify = false;
  job.slot_dev = slot_dev(4);
  for (int i = 0; i < 2; ++i) ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  EXPECT_GE(cuda_->calls("LaunchTileDecode"), 3u * 3);
  ExpectDecoded(*device_, *expected_, host, slot_dev(4));
}

// Bytes that are pinned, bytes that are not, and two pinned ranges side by side, in one part.
TEST_F(CudaDeviceTest, MemoryThatIsPinnedInPiecesIsCopiedInPieces) {
  Open();
  PagedUnit host(*expected_, "layers.0");
  const absl::Span<uint8_t> memory = host.extents[0];
  device_->RegisterHostMemory(memory.subspan(8192, 40960));
  device_->RegisterHostMemory(memory.subspan(8192 + 40960, 200000));
  device_->RegisterHostMemory(memory.subspan(1'000'000, 100));  // no whole page
  EXPECT_EQ(cuda_->calls("HostRegister"), 2u);
  DeviceJob job = host.Job();
  job.slot_dev = slot_dev();
  ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  ExpectDecoded(*device_, *expected_, host, slot_dev());
  device_.reset();
}

TEST_F(CudaDeviceTest, MemoryThatCannotBePinnedWorksToo) {
  Open();
  cuda_->FailCall("HostRegister", 1, kCudaOutOfMemory);
  PagedUnit host(*expected_, "layers.0");
  device_->RegisterHostMemory(host.extents[0]);
  DeviceJob job = host.Job();
  job.slot_dev = slot_dev();
  ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  ExpectDecoded(*device_, *expected_, host, slot_dev());
}

// Several jobs of several units, pinned and not, with and without frames, in every order.
TEST_F(CudaDeviceTest, JobsSideBySideDoNotMeet) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    CudaDeviceOptions options = Options();
    options.staging_bytes = seed % 2 == 0 ? 8 << 20 : 2 << 20;
    Open({.seed = seed}, options);
    PagedUnit hosts[] = {{*expected_, "layers.0"}, {*expected_, "layers.1"}, {*expected_, "head"}};
    device_->RegisterHostMemory(hosts[1].extents[0]);
    const Extents frames_dev = {device_->frame_memory_dev()};
    for (uint64_t i = 0; i < 3; ++i) {
      DeviceJob job = hosts[i].Job();
      job.tag = i;
      if (i == 1) job.frames_dev = &frames_dev;
      job.slot_dev = slot_dev(2 * i);
      ASSERT_TRUE(device_->TrySubmit(job));
    }
    for (const DeviceJobDone& done : results_.Wait(3)) ASSERT_THAT(done.status, IsOk());
    for (uint64_t i = 0; i < 3; ++i) {
      ExpectDecoded(*device_, *expected_, hosts[i], slot_dev(2 * i));
    }
    device_.reset();
    cuda_.reset();
  }
}

TEST_F(CudaDeviceTest, WithoutVirtualMemoryTheSlotsAreOfCudaMalloc) {
  Open({.virtual_memory = false}, Options());
  EXPECT_EQ(cuda_->calls("MemCreate"), 0u);
  EXPECT_EQ(device_->slot_memory_dev().size(), kSlotBytes);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(slot_dev()) % kDeviceMemoryAlignment, 0u);
  PagedUnit host(*expected_, "head");
  DeviceJob job = host.Job();
  job.slot_dev = slot_dev();
  ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
  ExpectDecoded(*device_, *expected_, host, slot_dev());
  EXPECT_EQ(device_->slot_runs(), nullptr);
}

TEST_F(CudaDeviceTest, GivesRunsWhereOneGpuExportsItsMemory) {
  Open();
  ASSERT_NE(device_->slot_runs(), nullptr);
  EXPECT_EQ(device_->slot_runs()->gpu_uuid()[0], 'f');
  device_.reset();
  Open({.exports_handles = false}, Options());
  EXPECT_EQ(device_->slot_runs(), nullptr);
  device_.reset();
  CudaDeviceOptions options = Options();
  options.devices = {0, 1};
  Open({.devices = 2}, options);
  EXPECT_EQ(device_->slot_runs(), nullptr);
}

TEST_F(CudaDeviceTest, SeveralGpusAreOneDevice) {
  CudaDeviceOptions options = Options();
  options.devices = {2, 0};
  Open({.devices = 3}, options);
  EXPECT_EQ(device_->info().name, "cuda:2,0");
  EXPECT_EQ(device_->slot_memory_dev().size(), kSlotBytes);
  // The second slot begins on one GPU and ends on the other; so do the frames.
  const uint64_t frames_half = device_->frame_memory_dev().size() / 2;
  const Extents frames_dev = {
      device_->frame_memory_dev().subspan(frames_half - 5 * kDeviceFrameBytes)};
  for (const uint64_t page : {0, 3, 5}) {
    PagedUnit host(*expected_, "layers.2");
    DeviceJob job = host.Job();
    job.frames_dev = &frames_dev;
    job.slot_dev = slot_dev(page);
    ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
    ExpectDecoded(*device_, *expected_, host, slot_dev(page));
    host.Wipe();
    job.host = nullptr;
    job.verify = false;
    ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
    ExpectDecoded(*device_, *expected_, host, slot_dev(page));
  }
}

TEST_F(CudaDeviceTest, RefusesDevicesThatAreNotThere) {
  const auto create = [this](const FakeCudaOptions& fake, std::vector<int> devices) {
    FakeCuda cuda(fake);
    CudaDeviceOptions options = Options();
    options.devices = std::move(devices);
    return CudaDevice::Create(options, cuda, results_).status();
  };
  EXPECT_THAT(create({.devices = 2}, {2}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("CUDA sees 2")));
  EXPECT_THAT(create({.devices = 2}, {1, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("named twice")));
  EXPECT_THAT(create({.devices = 2, .peers = false}, {0, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot reach")));
  EXPECT_THAT(create({.devices = 2, .virtual_memory = false}, {0, 1}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("virtual memory")));
}

TEST_F(CudaDeviceTest, SaysWhatMemoryIsMissing) {
  for (const bool virtual_memory : {true, false}) {
    FakeCuda cuda({.memory_bytes = 10 << 20, .virtual_memory = virtual_memory});
    EXPECT_THAT(
        CudaDevice::Create(Options(), cuda, results_).status(),
        StatusIs(absl::StatusCode::kResourceExhausted,
                 HasSubstr(virtual_memory ? "cuMemCreate of 2.00 MiB at 10.00 MiB on cuda:0: out"
                                          : "cudaMalloc of 16.00 MiB on cuda:0: out")));
  }
}

TEST_F(CudaDeviceTest, RefusesCoresThatAreNotThere) {
  FakeCuda cuda;
  CudaDeviceOptions options = Options();
  options.cores = {5000};
  EXPECT_THAT(CudaDevice::Create(options, cuda, results_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("core 5000")));
}

}  // namespace
}  // namespace ecf8
