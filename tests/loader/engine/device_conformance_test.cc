// What every Device does alike, job by job, on a real model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loader/cuda/cuda_device.h"
#include "loader/engine/device.h"
#include "loader/engine/host_device.h"
#include "loader/engine/stored_bytes.h"
#include "loader/memory/frame_space.h"
#include "loader/memory/slot_space.h"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/fake_cuda/fake_cuda.h"
#include "tests/support/fake_device.h"
#include "tests/support/job_results.h"
#include "tests/support/status_matchers.h"
#include "tests/support/virtual_time.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::FakeDevice;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::JobResults;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::VirtualTime;
using ::testing::HasSubstr;

constexpr uint64_t kSlotBytes = 4 * kSlotPageBytes;
constexpr uint64_t kFrameMemoryBytes = 80 * kDeviceFrameBytes;

// A stored unit in host memory, in runs of 1 MiB with gaps between them.
class HostUnit {
 public:
  HostUnit(const ExpectedModel& expected, uint32_t unit_index)
      : unit(expected.model->unit(unit_index)), parts(ListUnitParts(unit)) {
    const std::string_view stored =
        std::string_view(expected.shard).substr(unit.offset_bytes, unit.stored_size_bytes);
    const size_t runs = (stored.size() + kFrameBytes - 1) / kFrameBytes;
    memory_.resize(runs * (kFrameBytes + 4096), 0x5A);
    for (size_t i = 0; i < runs; ++i) {
      uint8_t* const run = memory_.data() + i * (kFrameBytes + 4096);
      const std::string_view bytes = stored.substr(i * kFrameBytes, kFrameBytes);
      std::copy(bytes.begin(), bytes.end(), run);
      extents.emplace_back(run, kFrameBytes);
    }
  }

  // One byte at `offset` of the stored unit becomes another.
  void Damage(uint64_t offset) { extents[offset / kFrameBytes][offset % kFrameBytes] ^= 0x40; }
  void Wipe() { std::fill(memory_.begin(), memory_.end(), 0x5A); }

  const Unit& unit;
  const std::vector<UnitPart> parts;
  Extents extents;

 private:
  std::vector<uint8_t> memory_;
};

enum class Kind : uint8_t {
  kHost,
  kFake,
  kFakeCuda,  // CudaDevice over the fake of CUDA
  kGpu,       // over CUDA, where there is a GPU
};

void PrintTo(Kind kind, std::ostream* out) {
  constexpr const char* kNames[] = {"host", "fake", "fakecuda", "gpu"};
  *out << kNames[static_cast<size_t>(kind)];
}

class DeviceConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 2, .projection_rows = 2500});
  }
  static void TearDownTestSuite() { delete expected_; }

  void SetUp() override {
    if (GetParam() == Kind::kHost) {
      auto device = HostDevice::Create(
          {.slot_budget_bytes = kSlotBytes, .frame_budget_bytes = kFrameMemoryBytes, .threads = 2},
          results_);
      ASSERT_THAT(device, IsOk());
      device_ = *std::move(device);
    } else if (GetParam() == Kind::kFakeCuda) {
      OpenCuda(cuda_);
    } else if (GetParam() == Kind::kGpu) {
      const auto cuda = RealCuda();
      if (!cuda.ok()) GTEST_SKIP() << cuda.status().message();
      OpenCuda(**cuda);
    } else {
      device_ = std::make_unique<FakeDevice>(
          testing::FakeDeviceOptions{.slot_bytes = kSlotBytes, .frame_bytes = kFrameMemoryBytes},
          time_, results_);
    }
    if (HasFatalFailure()) return;
    frames_.emplace(device_->frame_memory_dev(), kDeviceFrameBytes);
  }

  void OpenCuda(CudaCalls& cuda) {
    auto device = CudaDevice::Create(
        {.slot_budget_bytes = kSlotBytes, .frame_budget_bytes = kFrameMemoryBytes, .threads = 2},
        cuda, results_);
    ASSERT_THAT(device, IsOk());
    device_ = *std::move(device);
  }

  static uint32_t Unit(const std::string& id) { return *expected_->model->FindUnit(id); }

  // Two runs, of which the first ends within a part.
  Extents FragmentedFrames(const HostUnit& host) {
    const uint64_t count = host.unit.stored_size_bytes / kDeviceFrameBytes + 1;
    const Extents low = *frames_->Allocate(kFrameMemoryBytes - count * kDeviceFrameBytes);
    const Extents high = *frames_->Allocate(count * kDeviceFrameBytes);
    return {high[0].subspan(5 * kDeviceFrameBytes), low[0].subspan(0, 5 * kDeviceFrameBytes)};
  }

  std::vector<DeviceJobDone> Wait(size_t count) {
    while (results_.count() < count && time_.RunNext()) {
    }
    return results_.Wait(count);
  }
  DeviceJobDone Run(DeviceJob job) {
    job.tag = ++tag_;
    EXPECT_TRUE(device_->TrySubmit(job));
    std::vector<DeviceJobDone> done = Wait(1);
    EXPECT_EQ(done[0].tag, tag_);
    return std::move(done[0]);
  }

  void ExpectDecoded(uint32_t unit_index, const HostUnit& host, const uint8_t* slot_dev) {
    for (const UnitPart& part : host.parts) {
      std::string got(part.decoded_size_bytes, '\0');
      const absl::Span<uint8_t> out(reinterpret_cast<uint8_t*>(got.data()), got.size());
      ASSERT_THAT(device_->ReadSlot(slot_dev + part.decoded_offset_bytes, out), IsOk());
      ASSERT_EQ(got == expected_->Part(unit_index, UnitForm::kDecoded, part), true)
          << "at " << part.decoded_offset_bytes;
    }
  }

  static ExpectedModel* expected_;
  VirtualTime time_;
  FakeCuda cuda_;
  JobResults results_;
  std::unique_ptr<Device> device_;
  std::optional<FrameSpace> frames_;
  uint64_t tag_ = 0;
};

ExpectedModel* DeviceConformanceTest::expected_ = nullptr;

TEST_P(DeviceConformanceTest, GivesItsMemoryAligned) {
  EXPECT_EQ(device_->slot_memory_dev().size(), kSlotBytes);
  EXPECT_EQ(device_->frame_memory_dev().size(), kFrameMemoryBytes);
  for (const auto memory : {device_->slot_memory_dev(), device_->frame_memory_dev()}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % kDeviceMemoryAlignment, 0u);
  }
  EXPECT_GE(device_->info().queue_depth, 1u);
  EXPECT_GE(device_->info().host_job_bytes, kMaxReadBytes / 4);
  EXPECT_GE(device_->info().frames_job_bytes, kMaxReadBytes / 4);
}

TEST_P(DeviceConformanceTest, DecodesEveryUnitFromHostMemoryInOneJob) {
  uint8_t* const slot_dev = device_->slot_memory_dev().data();
  for (uint32_t i = 0; i < expected_->model->unit_count(); ++i) {
    const HostUnit host(*expected_, i);
    const DeviceJobDone done = Run({.unit = &host.unit,
                                    .parts = host.parts,
                                    .host = &host.extents,
                                    .verify = true,
                                    .slot_dev = slot_dev});
    ASSERT_THAT(done.status, IsOk());
    EXPECT_EQ(done.tables != nullptr, host.parts.front().is_tables());
    ExpectDecoded(i, host, slot_dev);
  }
}

TEST_P(DeviceConformanceTest, DecodesPartsSideBySideWithTablesOfAnEarlierJob) {
  const uint32_t unit = Unit("layers.0");
  const HostUnit host(*expected_, unit);
  uint8_t* const slot_dev = device_->slot_memory_dev().data();
  DeviceJob job{.unit = &host.unit,
                .parts = {host.parts.data(), 1},
                .host = &host.extents,
                .verify = true,
                .slot_dev = slot_dev};
  const DeviceJobDone first = Run(job);
  ASSERT_THAT(first.status, IsOk());
  ASSERT_NE(first.tables, nullptr);
  job.tables = first.tables.get();
  size_t submitted = 0;
  for (size_t i = 1; i < host.parts.size(); ++i) {
    job.tag = 100 + i;
    job.parts = {host.parts.data() + i, 1};
    if (!device_->TrySubmit(job)) {
      for (const DeviceJobDone& done : Wait(submitted)) EXPECT_THAT(done.status, IsOk());
      submitted = 0;
      ASSERT_TRUE(device_->TrySubmit(job));
    }
    ++submitted;
  }
  for (const DeviceJobDone& done : Wait(submitted)) EXPECT_THAT(done.status, IsOk());
  ExpectDecoded(unit, host, slot_dev);
}

TEST_P(DeviceConformanceTest, DecodesFromFramesWhatAnEarlierJobCopiedThere) {
  const uint32_t unit = Unit("layers.1");
  HostUnit host(*expected_, unit);
  const Extents frames_dev = FragmentedFrames(host);
  uint8_t* const first_dev = device_->slot_memory_dev().data();
  uint8_t* const second_dev = first_dev + 2 * kSlotPageBytes;
  DeviceJob job{.unit = &host.unit,
                .parts = host.parts,
                .host = &host.extents,
                .verify = true,
                .frames_dev = &frames_dev,
                .slot_dev = first_dev};
  ASSERT_THAT(Run(job).status, IsOk());
  ExpectDecoded(unit, host, first_dev);
  host.Wipe();
  job.host = nullptr;
  job.verify = false;
  job.slot_dev = second_dev;
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(Run(job).status, IsOk());
    ExpectDecoded(unit, host, second_dev);
  }
}

TEST_P(DeviceConformanceTest, VerifiesAndCopiesWithoutDecoding) {
  const HostUnit host(*expected_, Unit("layers.0"));
  const Extents frames_dev = FragmentedFrames(host);
  DeviceJob job{.unit = &host.unit, .parts = host.parts, .host = &host.extents, .verify = true};
  EXPECT_THAT(Run(job).status, IsOk());
  job.frames_dev = &frames_dev;
  const DeviceJobDone done = Run(job);
  EXPECT_THAT(done.status, IsOk());
  EXPECT_EQ(done.tables, nullptr);
}

TEST_P(DeviceConformanceTest, NamesThePartWhoseChecksumIsWrong) {
  HostUnit host(*expected_, Unit("layers.0"));
  ASSERT_GE(host.parts.size(), 4u);
  for (const size_t part : {size_t{0}, size_t{2}, host.parts.size() - 1}) {
    const uint64_t last_byte = host.parts[part].stored_end_bytes() - 1;
    host.Damage(last_byte);
    DeviceJob job{.unit = &host.unit,
                  .parts = host.parts,
                  .host = &host.extents,
                  .verify = true,
                  .slot_dev = device_->slot_memory_dev().data()};
    DeviceJobDone done = Run(job);
    EXPECT_THAT(done.status, StatusIs(absl::StatusCode::kDataLoss, "does not match its checksum"));
    EXPECT_EQ(done.bad_part, part);
    // Counted within the job.
    job.parts = {host.parts.data() + part, 1};
    job.slot_dev = nullptr;
    done = Run(job);
    EXPECT_THAT(done.status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("checksum")));
    EXPECT_EQ(done.bad_part, 0u);
    host.Damage(last_byte);
  }
}

// As if the checksum were right: a tile's offset that leads nowhere.
TEST_P(DeviceConformanceTest, NamesThePartThatCannotBeDecoded) {
  HostUnit host(*expected_, Unit("layers.0"));
  const size_t part = 2;
  ASSERT_LT(host.parts[part].stored_size_bytes, host.parts[part].decoded_size_bytes);
  host.Damage(host.parts[part].stored_offset_bytes + 3);  // of a u32, little-endian
  const DeviceJobDone done = Run({.unit = &host.unit,
                                  .parts = host.parts,
                                  .host = &host.extents,
                                  .slot_dev = device_->slot_memory_dev().data()});
  EXPECT_THAT(done.status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot be decoded")));
  EXPECT_EQ(done.bad_part, part);
}

TEST_P(DeviceConformanceTest, TakesNoMoreThanItsQueueHoldsAndFinishesWhatItTook) {
  const HostUnit host(*expected_, Unit("layers.0"));
  std::set<uint64_t> taken;
  for (uint64_t tag = 0; tag < 200; ++tag) {
    if (device_->TrySubmit({.tag = tag,
                            .unit = &host.unit,
                            .parts = host.parts,
                            .host = &host.extents,
                            .verify = true})) {
      taken.insert(tag);
    }
  }
  EXPECT_LT(taken.size(), 200u);
  EXPECT_GE(taken.size(), device_->info().queue_depth);
  std::set<uint64_t> done;
  for (const DeviceJobDone& job : Wait(taken.size())) done.insert(job.tag);
  EXPECT_EQ(done, taken);
}

TEST_P(DeviceConformanceTest, HostMemoryMayBeNamedWhileJobsReadIt) {
  HostUnit host(*expected_, Unit("layers.0"));
  const DeviceJob job{
      .unit = &host.unit, .parts = host.parts, .host = &host.extents, .verify = true};
  ASSERT_TRUE(device_->TrySubmit(job));
  for (const absl::Span<uint8_t> run : host.extents) device_->RegisterHostMemory(run);
  EXPECT_THAT(Wait(1)[0].status, IsOk());
  EXPECT_THAT(Run(job).status, IsOk());
  device_.reset();  // before the memory goes
}

// The program is built twice: GPUs have a ctest label of their own.
INSTANTIATE_TEST_SUITE_P(All, DeviceConformanceTest, ::testing::Values(ECF8_DEVICE_KINDS),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace ecf8
