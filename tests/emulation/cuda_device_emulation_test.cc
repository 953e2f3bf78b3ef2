// The CUDA device over the fake of CUDA, with the kernel itself in the emulator instead of the
// CPU's decoder.
#include <gtest/gtest.h>

#include <memory>

#include "tests/emulation/emulated_tile_kernel.h"
#include "tests/loader/cuda/cuda_rig.h"

namespace ecf8 {
namespace {

using testing::ExpectDecoded;
using testing::ExpectedModel;
using testing::FakeCuda;
using testing::IsOk;
using testing::JobResults;
using testing::PagedUnit;
using testing::RunJob;
using testing::ScatteredFrames;

class CudaDeviceEmulationTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  CudaDeviceEmulationTest()
      : expected_({.layers = 2, .projection_rows = 70}),
        cuda_({.seed = GetParam(), .kernel = emulation::RunTileWorkEmulated}) {
    auto device = CudaDevice::Create({.slot_budget_bytes = 8 * kSlotPageBytes,
                                      .frame_budget_bytes = 64 * kDeviceFrameBytes,
                                      .threads = 2,
                                      .flights = 2},
                                     cuda_, results_);
    EXPECT_THAT(device, IsOk());
    device_ = *std::move(device);
  }

  const ExpectedModel expected_;
  FakeCuda cuda_;
  JobResults results_;
  std::unique_ptr<CudaDevice> device_;
};

// From host memory, and from frames that hold nearly every part in two pieces.
TEST_P(CudaDeviceEmulationTest, DecodesEveryUnit) {
  uint8_t* const slot_dev = device_->slot_memory_dev().data();
  for (uint32_t i = 0; i < expected_.model->unit_count(); ++i) {
    const std::string& id = expected_.model->unit(i).id;
    PagedUnit host(expected_, id);
    const Extents frames_dev = ScatteredFrames(device_->frame_memory_dev(), host.unit);
    DeviceJob job = host.Job();
    job.frames_dev = &frames_dev;
    job.slot_dev = slot_dev;
    ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk()) << id;
    ExpectDecoded(*device_, expected_, host, slot_dev);
    host.Wipe();
    job.host = nullptr;
    job.verify = false;
    job.slot_dev = slot_dev + 2 * kSlotPageBytes;
    ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk()) << id;
    ExpectDecoded(*device_, expected_, host, job.slot_dev);
  }
}

// Several in one launch.
TEST_P(CudaDeviceEmulationTest, DecodesUnitsSideBySide) {
  const PagedUnit first(expected_, "layers.0");
  const PagedUnit second(expected_, "layers.1");
  constexpr uint64_t kJobs = 4;
  const auto slot_dev = [this](uint64_t i) {
    return device_->slot_memory_dev().data() + i * 2 * kSlotPageBytes;
  };
  for (uint64_t i = 0; i < kJobs; ++i) {
    DeviceJob job = (i % 2 == 0 ? first : second).Job();
    job.tag = i;
    job.slot_dev = slot_dev(i);
    ASSERT_TRUE(device_->TrySubmit(job));
  }
  for (const DeviceJobDone& done : results_.Wait(kJobs)) EXPECT_THAT(done.status, IsOk());
  for (uint64_t i = 0; i < kJobs; ++i) {
    ExpectDecoded(*device_, expected_, i % 2 == 0 ? first : second, slot_dev(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CudaDeviceEmulationTest, ::testing::Range<uint64_t>(1, 4));

}  // namespace
}  // namespace ecf8
