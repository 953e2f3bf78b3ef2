// Runs of slots where CUDA refuses, or there is no memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

constexpr uint64_t kSlotPages = 8;

class CudaSlotRunsFaultsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { expected_ = new ExpectedModel({.layers = 1}); }
  static void TearDownTestSuite() { delete expected_; }

  void Open(const FakeCudaOptions& options = {}) {
    device_.reset();
    cuda_ = std::make_unique<FakeCuda>(options);
    auto device = CudaDevice::Create(
        {.slot_budget_bytes = kSlotPages * kSlotPageBytes, .threads = 1, .flights = 1}, *cuda_,
        results_);
    ASSERT_THAT(device, IsOk());
    device_ = *std::move(device);
  }
  SlotRuns& runs() const { return *device_->slot_runs(); }

  absl::StatusOr<SlotRun> Take(uint64_t pages) {
    const uint64_t wanted_bytes = (kSlotPages - pages) * kSlotPageBytes;
    return runs().Open(pages * kSlotPageBytes, wanted_bytes - runs().missing_bytes());
  }

  // All slots have memory that can be decoded into.
  void ExpectWhole() {
    EXPECT_EQ(runs().missing_bytes(), 0u);
    PagedUnit unit(*expected_, "layers.0");
    for (const uint64_t page : {uint64_t{0}, kSlotPages - 2}) {
      DeviceJob job = unit.Job();
      job.slot_dev = device_->slot_memory_dev().data() + page * kSlotPageBytes;
      ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
      ExpectDecoded(*device_, *expected_, unit, job.slot_dev);
    }
  }

  static ExpectedModel* expected_;
  std::unique_ptr<FakeCuda> cuda_;
  JobResults results_;
  std::unique_ptr<CudaDevice> device_;
  std::vector<uint8_t*> taken_;
};

ExpectedModel* CudaSlotRunsFaultsTest::expected_ = nullptr;

struct Call {
  const char* name;
  const char* in_status;
};

TEST_F(CudaSlotRunsFaultsTest, ACallThatFailsIsNamedAndTheSlotsAreWhole) {
  for (const Call& call :
       {Call{"SetDevice", "cudaSetDevice"}, Call{"MemCreate", "cuMemCreate of 4.00 MiB"},
        Call{"MemExportToShareableHandle", "cuMemExportToShareableHandle"},
        Call{"MemAddressReserve", "cuMemAddressReserve"}, Call{"MemMap", "cuMemMap"},
        Call{"MemSetAccess", "cuMemSetAccess"}}) {
    SCOPED_TRACE(call.name);
    Open();
    cuda_->FailCall(call.name, 1, kCudaInvalidValue);
    EXPECT_THAT(Take(2).status(), StatusIs(absl::StatusCode::kInternal, HasSubstr(call.in_status)));
    EXPECT_EQ(cuda_->faults(), 1u);
    ExpectWhole();
    const auto run = Take(2);
    ASSERT_THAT(run, IsOk());
    runs().Close(run->memory_dev);
    ExpectWhole();
  }
}

TEST_F(CudaSlotRunsFaultsTest, SlotsThatDoNotGetTheirMemoryBackAreTriedAgain) {
  for (const char* const call : {"MemCreate", "MemMap", "MemSetAccess"}) {
    for (const uint64_t n : {1, 2}) {
      SCOPED_TRACE(std::string(call) + ", time " + std::to_string(n));
      Open();
      const auto run = Take(3);
      ASSERT_THAT(run, IsOk());
      cuda_->FailCall(call, n, kCudaOutOfMemory);
      runs().Close(run->memory_dev);
      EXPECT_EQ(runs().missing_bytes() > 0, cuda_->faults() > 0);
      runs().Refill();
      ExpectWhole();
    }
  }
}

// The device's memory is all taken, and the owner of the first run keeps it.
TEST_F(CudaSlotRunsFaultsTest, AnOwnerWhoKeepsHisMappingKeepsItsMemoryAlone) {
  // Staging and tables of a flight take less than this.
  Open({.memory_bytes = (kSlotPages + 24) * kSlotPageBytes});
  uint8_t* rest_dev = nullptr;
  uint64_t rest_bytes = 64 << 20;
  while (rest_bytes >= kSlotPageBytes / 4) {
    if (cuda_->Malloc(rest_bytes, &rest_dev) != kCudaSuccess) {
      rest_bytes /= 2;
    } else {
      taken_.push_back(rest_dev);
    }
  }
  auto run = Take(2);
  ASSERT_THAT(run, IsOk());
  {
    auto kept = MappedRun::Import(*cuda_, 0, run->fd.get(), run->memory_dev.size());
    ASSERT_THAT(kept, IsOk());
    run->fd = Descriptor();
    runs().Close(run->memory_dev);
    EXPECT_EQ(runs().missing_bytes(), 2 * kSlotPageBytes);
    EXPECT_THAT(runs().Open(7 * kSlotPageBytes, 0).status(),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cuMemCreate of 14.00")));
    EXPECT_EQ(runs().missing_bytes(), 2 * kSlotPageBytes);
    const auto next = Take(6);  // what there is
    ASSERT_THAT(next, IsOk());
    runs().Close(next->memory_dev);
    EXPECT_EQ(runs().missing_bytes(), 2 * kSlotPageBytes);
  }
  runs().Refill();
  ExpectWhole();
  for (uint8_t* const memory_dev : taken_) EXPECT_EQ(cuda_->Free(memory_dev), kCudaSuccess);
}

TEST_F(CudaSlotRunsFaultsTest, OfALostDeviceNothingIsHad) {
  Open();
  const auto run = Take(2);
  ASSERT_THAT(run, IsOk());
  cuda_->FailCall("MemcpyAsync", 1, kCudaIllegalAddress);
  EXPECT_THAT(runs().Copy(device_->slot_memory_dev().data(), run->memory_dev),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cudaMemcpyAsync on cuda:0")));
  EXPECT_THAT(Take(2).status(), StatusIs(absl::StatusCode::kUnavailable, ::testing::_));
  runs().Close(run->memory_dev);
}

}  // namespace
}  // namespace ecf8
