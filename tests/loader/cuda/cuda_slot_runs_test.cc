// Runs of slots that another process maps: over the fake of CUDA, and over a GPU where there is
// one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "loader/cuda/cuda_device.h"
#include "tests/loader/cuda/cuda_rig.h"
#include "tests/loader/cuda/run_owner.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectDecoded;
using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::JobResults;
using ::ecf8::testing::OwnersCuda;
using ::ecf8::testing::PagedUnit;
using ::ecf8::testing::RunJob;
using ::ecf8::testing::RunOwner;

constexpr uint64_t kSlotPages = 16;

enum class Kind : uint8_t { kFakeCuda, kGpu };

void PrintTo(Kind kind, std::ostream* out) {
  *out << (kind == Kind::kFakeCuda ? "fakecuda" : "gpu");
}

class CudaSlotRunsTest : public ::testing::TestWithParam<Kind> {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 3, .projection_rows = 2500});
  }
  static void TearDownTestSuite() { delete expected_; }

  void SetUp() override {
    if (GetParam() == Kind::kGpu) {
      const auto real = RealCuda();
      if (!real.ok()) GTEST_SKIP() << real.status().message();
      cuda_ = *real;
    } else {
      fake_ = std::make_unique<FakeCuda>();
      cuda_ = fake_.get();
    }
    auto device = CudaDevice::Create(
        {.slot_budget_bytes = kSlotPages * kSlotPageBytes, .threads = 2}, *cuda_, results_);
    ASSERT_THAT(device, IsOk());
    device_ = *std::move(device);
    if (device_->slot_runs() == nullptr) GTEST_SKIP() << "this GPU's memory cannot be exported";
  }

  OwnersCuda owners_cuda() const {
    return GetParam() == Kind::kGpu ? OwnersCuda::kReal : OwnersCuda::kFake;
  }
  uint8_t* slot_dev(uint64_t page) const {
    return device_->slot_memory_dev().data() + page * kSlotPageBytes;
  }
  static std::string DecodedBytes(const PagedUnit& unit) {
    std::string bytes;
    for (const UnitPart& part : unit.parts) {
      bytes.resize(part.decoded_offset_bytes + part.decoded_size_bytes);
      const std::string decoded(expected_->Part(unit.index, UnitForm::kDecoded, part));
      bytes.replace(part.decoded_offset_bytes, decoded.size(), decoded);
    }
    return bytes;
  }
  void Decode(const PagedUnit& unit, uint64_t page) {
    DeviceJob job = unit.Job();
    job.slot_dev = slot_dev(page);
    ASSERT_THAT(RunJob(*device_, results_, job).status, IsOk());
    ExpectDecoded(*device_, *expected_, unit, slot_dev(page));
  }
  // The slots keep what is left of them.
  absl::StatusOr<SlotRun> Take(uint64_t pages) {
    taken_pages_ += pages;
    return device_->slot_runs()->Open(pages * kSlotPageBytes,
                                      (kSlotPages - taken_pages_) * kSlotPageBytes);
  }
  void Close(const SlotRun& run) {
    taken_pages_ -= run.memory_dev.size() / kSlotPageBytes;
    device_->slot_runs()->Close(run.memory_dev);
  }
  // Decodes the unit in the slots' first pages, and copies it to the run's beginning.
  void Bring(const PagedUnit& unit, const SlotRun& run) {
    Decode(unit, 0);
    ASSERT_THAT(
        device_->slot_runs()->Copy(slot_dev(0), run.memory_dev.first(unit.unit.decoded_size_bytes)),
        IsOk());
  }

  static ExpectedModel* expected_;
  std::unique_ptr<FakeCuda> fake_;
  CudaCalls* cuda_ = nullptr;
  JobResults results_;
  std::unique_ptr<CudaDevice> device_;
  uint64_t taken_pages_ = 0;
};

ExpectedModel* CudaSlotRunsTest::expected_ = nullptr;

TEST_P(CudaSlotRunsTest, AnotherProcessReadsWhatWasDecoded) {
  SlotRuns& runs = *device_->slot_runs();
  auto run = Take(4);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->memory_dev.size(), 4 * kSlotPageBytes);
  RunOwner owner(owners_cuda());
  EXPECT_EQ(owner.Map(run->fd.get(), run->memory_dev.size()), "");
  run->fd = Descriptor();
  for (const char* const id : {"layers.0", "layers.1", "head"}) {
    PagedUnit unit(*expected_, id);
    Bring(unit, *run);
    EXPECT_TRUE(owner.Read(unit.unit.decoded_size_bytes) == DecodedBytes(unit)) << id;
  }
  EXPECT_EQ(owner.Stop(), 0);
  Close(*run);
  EXPECT_EQ(runs.missing_bytes(), 0u);
}

// A process that keeps its mapping neither sees nor changes what comes after its run.
TEST_P(CudaSlotRunsTest, MemoryThatHadAnOwnerIsMadeAnew) {
  SlotRuns& runs = *device_->slot_runs();
  PagedUnit first(*expected_, "layers.0");
  PagedUnit second(*expected_, "layers.1");
  auto run = Take(6);
  ASSERT_THAT(run, IsOk());
  RunOwner owner(owners_cuda());
  EXPECT_EQ(owner.Map(run->fd.get(), run->memory_dev.size()), "");
  run->fd = Descriptor();
  Bring(first, *run);
  Close(*run);
  EXPECT_EQ(runs.missing_bytes(), 0u);
  // The next owner's, and the slots that have their memory again.
  auto next = Take(6);
  ASSERT_THAT(next, IsOk());
  RunOwner next_owner(owners_cuda());
  EXPECT_EQ(next_owner.Map(next->fd.get(), next->memory_dev.size()), "");
  next->fd = Descriptor();
  Bring(second, *next);
  EXPECT_TRUE(owner.Read(first.unit.decoded_size_bytes) == DecodedBytes(first));
  owner.Fill(6 * kSlotPageBytes, 0xEE);
  EXPECT_TRUE(next_owner.Read(second.unit.decoded_size_bytes) == DecodedBytes(second));
  ExpectDecoded(*device_, *expected_, second, slot_dev(0));
  EXPECT_EQ(next_owner.Stop(), 0);
  Close(*next);
  owner.Fill(6 * kSlotPageBytes, 0xEF);
  Decode(second, kSlotPages - 3);  // where slots had no memory meanwhile
  EXPECT_EQ(owner.Stop(), 0);
}

TEST_P(CudaSlotRunsTest, RunsComeAndGoInAnyOrderAndTheSlotsHaveTheRest) {
  SlotRuns& runs = *device_->slot_runs();
  auto first = Take(3);
  auto second = Take(5);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  PagedUnit unit(*expected_, "layers.2");
  Decode(unit, kSlotPages - 8 - 3);  // the last that have memory
  Close(*first);
  auto third = Take(2);
  ASSERT_THAT(third, IsOk());
  Decode(unit, kSlotPages - 7 - 3);
  RunOwner owner(owners_cuda());
  EXPECT_EQ(owner.Map(second->fd.get(), second->memory_dev.size()), "");
  Bring(unit, *second);
  EXPECT_TRUE(owner.Read(unit.unit.decoded_size_bytes) == DecodedBytes(unit));
  owner.Kill();
  second->fd = Descriptor();
  Close(*second);
  Close(*third);
  EXPECT_EQ(runs.missing_bytes(), 0u);
  Decode(unit, kSlotPages - 3);
}

// What a client could not map it is not given by mistake.
TEST_P(CudaSlotRunsTest, ARunIsMappedAsItIsOrNotAtAll) {
  auto run = Take(2);
  ASSERT_THAT(run, IsOk());
  RunOwner owner(owners_cuda());
  EXPECT_THAT(owner.Map(run->fd.get(), 3 * kSlotPageBytes), ::testing::HasSubstr("cuMemMap"));
  EXPECT_EQ(owner.Map(run->fd.get(), 2 * kSlotPageBytes), "");
  EXPECT_EQ(owner.Stop(), 0);
  Close(*run);
}

INSTANTIATE_TEST_SUITE_P(Devices, CudaSlotRunsTest, ::testing::Values(ECF8_RUN_KINDS),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace ecf8
