// Every call of CUDA is made to fail, each time that it is made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/loader/cuda/cuda_rig.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectDecoded;
using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::JobResults;
using ::ecf8::testing::PagedUnit;
using ::ecf8::testing::RunJob;
using ::ecf8::testing::ScatteredFrames;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

// A call, as messages have it.
struct Call {
  const char* name;       // of CudaCalls
  const char* in_status;  // null: a hint or a figure, whose failure changes nothing
};
constexpr Call kCalls[] = {
    {"GetDeviceCount", "cudaGetDeviceCount"},
    {"GetDeviceTraits", "cudaGetDeviceProperties"},
    {"CanAccessPeer", "cudaDeviceCanAccessPeer"},
    {"SetDevice", "cudaSetDevice"},
    {"DeviceSynchronize", nullptr},
    {"Malloc", "cudaMalloc"},
    {"Free", nullptr},
    {"HostAlloc", "cudaHostAlloc"},
    {"FreeHost", nullptr},
    {"HostRegister", nullptr},
    {"HostUnregister", nullptr},
    {"MemGetAllocationGranularity", "cuMemGetAllocationGranularity"},
    {"MemAddressReserve", "cuMemAddressReserve"},
    {"MemAddressFree", nullptr},
    {"MemCreate", "cuMemCreate"},
    {"MemRelease", nullptr},
    {"MemMap", "cuMemMap"},
    {"MemUnmap", nullptr},
    {"MemSetAccess", "cuMemSetAccess"},
    {"StreamCreate", "cudaStreamCreate"},
    {"StreamDestroy", nullptr},
    {"StreamWaitEvent", "cudaStreamWaitEvent"},
    {"EventCreate", "cudaEventCreate"},
    {"EventDestroy", nullptr},
    {"EventRecord", "cudaEventRecord"},
    {"EventQuery", "cudaEventQuery"},
    {"EventElapsedTime", nullptr},
    {"MemcpyAsync", "cudaMemcpyAsync"},
    {"PrepareTileDecode", "preparing the decoder's kernel"},
    {"LaunchTileDecode", "cudaLaunchKernel"},
};

class CudaFaultsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { expected_ = new ExpectedModel({.layers = 1}); }
  static void TearDownTestSuite() { delete expected_; }

  // Everything that a device does, over `cuda`: the first error, or OK. `device_lost` says whether
  // a job afterwards got UNAVAILABLE. What decodes must be right.
  static absl::Status Live(FakeCuda& cuda, bool* device_lost) {
    JobResults results;
    PagedUnit host(*expected_, "layers.0");
    auto device = CudaDevice::Create({.devices = {0, 1},
                                      .slot_budget_bytes = 4 * kSlotPageBytes,
                                      .frame_budget_bytes = 64 * kDeviceFrameBytes,
                                      .threads = 1,
                                      .flights = 2,
                                      .staging_bytes = 1 << 20},
                                     cuda, results);
    if (!device.ok()) return device.status();
    const absl::Status status = Work(**device, results, host);
    if (status.ok()) return status;
    DeviceJob job = host.Job();
    job.slot_dev = (*device)->slot_memory_dev().data();
    const absl::Status again = RunJob(**device, results, job).status;
    *device_lost = !again.ok();
    if (!again.ok()) {
      EXPECT_THAT(again, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cuda:0 is lost")));
      uint8_t byte = 0;
      EXPECT_FALSE((*device)->ReadSlot(job.slot_dev, {&byte, 1}).ok());
    }
    return status;
  }

  static absl::Status Work(CudaDevice& device, JobResults& results, PagedUnit& host) {
    device.RegisterHostMemory(host.extents[0].first(1 << 20));
    const Extents frames_dev = ScatteredFrames(device.frame_memory_dev(), host.unit);
    DeviceJob job = host.Job();
    job.frames_dev = &frames_dev;
    job.slot_dev = device.slot_memory_dev().data();
    absl::Status status = RunJob(device, results, job).status;
    if (!status.ok()) return status;
    job.host = nullptr;
    job.verify = false;
    status = RunJob(device, results, job).status;
    if (!status.ok()) return status;
    std::string got(host.parts[1].decoded_size_bytes, '\0');
    status = device.ReadSlot(job.slot_dev + host.parts[1].decoded_offset_bytes,
                             {reinterpret_cast<uint8_t*>(got.data()), got.size()});
    if (!status.ok()) return status;
    EXPECT_TRUE(got == expected_->Part(host.index, UnitForm::kDecoded, host.parts[1]));
    return absl::OkStatus();
  }

  static ExpectedModel* expected_;
};

ExpectedModel* CudaFaultsTest::expected_ = nullptr;

std::map<std::string, uint64_t> CountCalls(const FakeCuda& cuda) {
  std::map<std::string, uint64_t> counts;
  for (const Call& call : kCalls) counts[call.name] = cuda.calls(call.name);
  return counts;
}

TEST_F(CudaFaultsTest, EveryCallThatFailsIsNamedAndNothingIsLeft) {
  std::map<std::string, uint64_t> counts;
  {
    auto cuda = std::make_unique<FakeCuda>(testing::FakeCudaOptions{.devices = 2});
    bool lost = false;
    ASSERT_THAT(Live(*cuda, &lost), IsOk());
    counts = CountCalls(*cuda);
  }
  for (const Call& call : kCalls) {
    ASSERT_GT(counts[call.name], 0u) << call.name;
    // Of calls that are made many times alike, some.
    const uint64_t step = 1 + counts[call.name] / 12;
    for (uint64_t n = 1; n <= counts[call.name]; n += step) {
      SCOPED_TRACE(std::string(call.name) + ", time " + std::to_string(n));
      FakeCuda cuda(testing::FakeCudaOptions{.devices = 2});
      cuda.FailCall(call.name, n, kCudaInvalidValue);
      bool lost = false;
      const absl::Status status = Live(cuda, &lost);
      if (call.in_status == nullptr) {
        EXPECT_THAT(status, IsOk());
      } else if (cuda.faults() > 0 && !status.ok()) {
        EXPECT_THAT(std::string(status.message()), HasSubstr(call.in_status));
        EXPECT_THAT(std::string(status.message()), HasSubstr(" on cuda:"));
        EXPECT_THAT(std::string(status.message()), HasSubstr("cudaErrorInvalidValue"));
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST_F(CudaFaultsTest, ACallThatFailsFailsItsJobAlone) {
  for (const char* const call :
       {"MemcpyAsync", "LaunchTileDecode", "StreamWaitEvent", "EventRecord"}) {
    SCOPED_TRACE(call);
    FakeCuda cuda(testing::FakeCudaOptions{.devices = 2});
    cuda.FailCall(call, 1, kCudaInvalidValue);
    bool lost = true;
    EXPECT_THAT(Live(cuda, &lost), StatusIs(absl::StatusCode::kInternal, HasSubstr("on cuda:0")));
    EXPECT_FALSE(lost);
  }
}

// Its caller may give the memory to others: nothing of the job may be on its way, then.
TEST_F(CudaFaultsTest, WhenAFailedJobComesBackNothingIsQueued) {
  const std::map<std::string, uint64_t> calls = {
      {"EventRecord", 5}, {"MemcpyAsync", 5}, {"StreamWaitEvent", 2}, {"LaunchTileDecode", 1}};
  for (const auto& [call, times] : calls) {
    for (uint64_t n = 1; n <= times; ++n) {
      SCOPED_TRACE(call + ", time " + std::to_string(n));
      FakeCuda cuda;
      JobResults results;
      PagedUnit host(*expected_, "layers.0");
      auto device = CudaDevice::Create({.slot_budget_bytes = 4 * kSlotPageBytes,
                                        .frame_budget_bytes = 64 * kDeviceFrameBytes,
                                        .threads = 1},
                                       cuda, results);
      ASSERT_THAT(device, IsOk());
      (*device)->RegisterHostMemory(host.extents[0]);
      const Extents frames_dev = ScatteredFrames((*device)->frame_memory_dev(), host.unit);
      DeviceJob job = host.Job();
      job.frames_dev = &frames_dev;
      job.slot_dev = (*device)->slot_memory_dev().data();
      cuda.FailCall(call, n, kCudaInvalidValue);
      const absl::Status status = RunJob(**device, results, job).status;
      EXPECT_EQ(status.ok(), cuda.faults() == 0);
      // The fake complains about memory that is taken while work is queued.
      uint8_t* memory_dev = nullptr;
      EXPECT_EQ(cuda.SetDevice(0), kCudaSuccess);
      EXPECT_EQ(cuda.Malloc(1, &memory_dev), kCudaSuccess);
      EXPECT_EQ(cuda.Free(memory_dev), kCudaSuccess);
      EXPECT_THAT(cuda.TakeMisuses(), ::testing::IsEmpty());
      (void)RunJob(**device, results, job);  // all has passed before the device goes
    }
  }
}

TEST_F(CudaFaultsTest, AfterALostDeviceEverythingIsUnavailable) {
  for (const char* const call :
       {"MemcpyAsync", "LaunchTileDecode", "EventRecord", "EventQuery", "StreamWaitEvent"}) {
    for (uint64_t n = 1; n <= 4; ++n) {
      SCOPED_TRACE(std::string(call) + ", time " + std::to_string(n));
      FakeCuda cuda(testing::FakeCudaOptions{.devices = 2});
      cuda.FailCall(call, n, kCudaIllegalAddress);
      bool lost = false;
      const absl::Status status = Live(cuda, &lost);
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is lost: ")));
      EXPECT_THAT(std::string(status.message()), HasSubstr("illegal memory access"));
      EXPECT_TRUE(lost);
    }
  }
}

TEST_F(CudaFaultsTest, AKernelThatCrashesLosesTheDevice) {
  FakeCuda cuda(testing::FakeCudaOptions{.devices = 2});
  cuda.FailKernel(2);
  bool lost = false;
  EXPECT_THAT(Live(cuda, &lost), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is lost")));
  EXPECT_TRUE(lost);
}

// What was on its way when the device was lost comes back, too.
TEST_F(CudaFaultsTest, ALostDeviceFailsAllJobsAtHand) {
  for (uint64_t n = 1; n <= 6; ++n) {
    FakeCuda cuda(testing::FakeCudaOptions{.seed = n});
    JobResults results;
    PagedUnit host(*expected_, "layers.0");
    auto device = CudaDevice::Create(
        {.slot_budget_bytes = 8 * kSlotPageBytes, .threads = 2, .flights = 2}, cuda, results);
    ASSERT_THAT(device, IsOk());
    cuda.FailKernel(n);
    size_t taken = 0;
    for (uint64_t i = 0; i < 4; ++i) {
      DeviceJob job = host.Job();
      job.slot_dev = (*device)->slot_memory_dev().data() + 2 * i * kSlotPageBytes;
      if ((*device)->TrySubmit(job)) ++taken;
    }
    for (const DeviceJobDone& done : results.Wait(taken)) {
      EXPECT_TRUE(done.status.ok() || absl::IsUnavailable(done.status)) << done.status;
      if (!done.status.ok()) {
        EXPECT_EQ(done.tables, nullptr);
      }
    }
  }
}

}  // namespace
}  // namespace ecf8
