#include "loader/engine/open_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "loader/cuda/cuda_calls.h"
#include "loader/memory/slot_space.h"
#include "tests/support/fake_cuda/fake_cuda.h"
#include "tests/support/job_results.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::JobResults;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

DeviceOptions Options(const std::string& name, CudaCalls* cuda) {
  return {.name = name, .slot_budget_bytes = kSlotPageBytes, .threads = 1, .cuda = cuda};
}

TEST(CheckDeviceNameTest, KnowsItsWords) {
  for (const char* const name : {"host", "auto", "cuda:0", "cuda:7,0,3"}) {
    EXPECT_THAT(CheckDeviceName(name), IsOk()) << name;
  }
  for (const char* const name :
       {"", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:0,", "cuda:,0", "cuda:0 ", "cuda:x",
        "cuda:99999999999", "Host", "cuda:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"}) {
    EXPECT_THAT(CheckDeviceName(name),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no device such as")))
        << name;
  }
}

TEST(OpenDeviceTest, OpensWhatItIsTold) {
  FakeCuda cuda(testing::FakeCudaOptions{.devices = 2});
  JobResults results;
  for (const auto& [name, opened_name] :
       {std::pair("host", "host"), std::pair("auto", "cuda:0"), std::pair("cuda:1", "cuda:1"),
        std::pair("cuda:1,0", "cuda:1,0")}) {
    const auto opened = OpenDevice(Options(name, &cuda), results);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->device->info().name, opened_name);
    EXPECT_EQ(opened->fallback_reason, "");
  }
}

TEST(OpenDeviceTest, AGpuThatDoesNotWorkIsAnErrorNamingWhatWasAskedFor) {
  JobResults results;
  for (const char* const name : {"auto", "cuda:0"}) {
    FakeCuda cuda;
    cuda.FailCall("StreamCreate", 1, kCudaOutOfMemory);
    EXPECT_THAT(OpenDevice(Options(name, &cuda), results).status(),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         HasSubstr(std::string("cannot use ") + name + ": cudaStreamCreate")));
  }
}

// Where there is CUDA, the test machine has a GPU, and the tests labelled gpu look at it.
TEST(OpenDeviceTest, WithoutCudaAutoIsTheHostAndSaysWhy) {
  const auto real = RealCuda();
  if (real.ok()) GTEST_SKIP() << "there is a GPU";
  JobResults results;
  const auto opened = OpenDevice(Options("auto", nullptr), results);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->device->info().name, "host");
  EXPECT_EQ(opened->fallback_reason, std::string(real.status().message()));
  EXPECT_THAT(OpenDevice(Options("cuda:0", nullptr), results).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("cannot use cuda:0: " + opened->fallback_reason)));
}

}  // namespace
}  // namespace ecf8
