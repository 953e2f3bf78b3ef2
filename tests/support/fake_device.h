// A Device of a simulation: single-threaded, in virtual time, seeded, with the faults that devices
// have. The same seed and the same calls give the same run.
//
// It keeps the contract of device.h, and hurts what leans on more: what a job copies or decodes
// into is filled with garbage when it is submitted, the bytes appear only at the completion, jobs
// complete in any order, some very late, and all decoding reads the frames where there are some. A
// job that finds anything but the unit's bytes in the frames fails the test.
#ifndef ECF8_TESTS_SUPPORT_FAKE_DEVICE_H_
#define ECF8_TESTS_SUPPORT_FAKE_DEVICE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/checksum.h"
#include "loader/engine/cpu_job.h"
#include "loader/engine/device.h"
#include "loader/engine/stored_bytes.h"
#include "loader/memory/slot_space.h"
#include "tests/support/virtual_time.h"

namespace ecf8::testing {

struct FakeDeviceOptions {
  uint64_t seed = 0;
  size_t queue_depth = 4;
  uint64_t slot_bytes = 0;
  uint64_t frame_bytes = 0;
  uint64_t host_job_bytes = 2 << 20;
  uint64_t frames_job_bytes = 256 << 20;  // a unit is one launch
  double failure = 0;                     // chance of a job to fail with INTERNAL
  double copy_failure = 0;                // of one that copies, besides
  double slot_read_failure = 0;
  double late = 0;  // chance of a job to take a hundred times as long
  uint64_t min_delay_us = 10;
  uint64_t max_delay_us = 1000;
  FormCosts costs = {.copy_seconds_per_stored_byte = 1 / 55e9,
                     .decode_seconds_per_decoded_byte = 1 / 1.35e12};
};

class FakeDevice final : public Device {
 public:
  // `time` and `sink` outlive it; every job is done before it goes.
  FakeDevice(const FakeDeviceOptions& options, VirtualTime& time, DeviceSink& sink)
      : options_(options),
        time_(time),
        sink_(sink),
        random_(options.seed),
        slots_(AlignedBytes(options.slot_bytes)),
        frames_(AlignedBytes(options.frame_bytes)),
        info_{.name = "fake",
              .queue_depth = options.queue_depth,
              .host_job_bytes = options.host_job_bytes,
              .frames_job_bytes = options.frames_job_bytes,
              .costs = options.costs} {}

  bool TrySubmit(DeviceJob job) override {
    if (in_flight_ == options_.queue_depth) return false;
    ++in_flight_;
    ++jobs_;
    for (const UnitPart& part : job.parts) Spoil(job, part);
    uint64_t delay_us = std::uniform_int_distribution<uint64_t>(options_.min_delay_us,
                                                                options_.max_delay_us)(random_);
    if (Chance(options_.late)) delay_us *= 100;
    time_.At(delay_us, [this, job] { Finish(job); });
    return true;
  }
  void RegisterHostMemory(absl::Span<uint8_t> /*memory*/) override {}
  absl::Span<uint8_t> slot_memory_dev() const override {
    return {slots_.get(), options_.slot_bytes / kSlotPageBytes * kSlotPageBytes};
  }
  absl::Span<uint8_t> frame_memory_dev() const override {
    return {frames_.get(), options_.frame_bytes / kDeviceFrameBytes * kDeviceFrameBytes};
  }
  absl::Status ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) override {
    if (Chance(options_.slot_read_failure)) return absl::InternalError("the device has a fault");
    std::copy_n(from_dev, out.size(), out.begin());
    return absl::OkStatus();
  }
  void WaitUntilTouched() override {}
  const DeviceInfo& info() const override { return info_; }

  // From now on.
  void SetFailure(double chance) { options_.failure = chance; }
  void SetCopyFailure(double chance) { options_.copy_failure = chance; }
  uint64_t jobs() const { return jobs_; }  // taken so far
  // The units of the jobs that were made to fail.
  const std::set<const Unit*>& failed_units() const { return failed_units_; }

 private:
  static constexpr uint8_t kGarbage = 0xA5;

  using Bytes = std::unique_ptr<uint8_t, decltype(&std::free)>;
  static Bytes AlignedBytes(uint64_t size) {
    const uint64_t blocks = size / kDeviceMemoryAlignment + 1;
    return {static_cast<uint8_t*>(
                std::aligned_alloc(kDeviceMemoryAlignment, blocks * kDeviceMemoryAlignment)),
            &std::free};
  }

  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }

  // What the job will write; what it will read must be there.
  void Spoil(const DeviceJob& job, const UnitPart& part) {
    if (job.slot_dev != nullptr) {
      std::fill_n(job.slot_dev + part.decoded_offset_bytes, part.decoded_size_bytes, kGarbage);
    }
    if (job.host == nullptr) {
      CheckFrames(job, part);
    } else if (job.frames_dev != nullptr) {
      CopyInto(*job.frames_dev, part.stored_offset_bytes,
               std::vector<uint8_t>(part.stored_size_bytes, kGarbage));
    }
  }

  void CheckFrames(const DeviceJob& job, const UnitPart& part) {
    const auto stored =
        SliceOf(*job.frames_dev, part.stored_offset_bytes, part.stored_size_bytes, &scratch_);
    EXPECT_EQ(Xxh3(stored), part.xxh3) << "other bytes in the frames of " << job.unit->id;
  }

  void Finish(const DeviceJob& job) {
    --in_flight_;
    const bool copies = job.host != nullptr && job.frames_dev != nullptr;
    DeviceJobDone done;
    done.tag = job.tag;
    if (Chance(options_.failure) || (copies && Chance(options_.copy_failure))) {
      failed_units_.insert(job.unit);
      done.status = absl::InternalError("the device has a fault");
      return sink_.OnJobDone(std::move(done));
    }
    if (!copies) return sink_.OnJobDone(RunOnCpu(job, &scratch_));
    DeviceJob copy = job;
    copy.slot_dev = nullptr;
    done = RunOnCpu(copy, &scratch_);
    DeviceJob decode = job;
    decode.host = nullptr;
    decode.verify = false;
    if (done.status.ok()) done = RunOnCpu(decode, &scratch_);
    sink_.OnJobDone(std::move(done));
  }

  FakeDeviceOptions options_;
  VirtualTime& time_;
  DeviceSink& sink_;
  std::mt19937_64 random_;
  const Bytes slots_;
  const Bytes frames_;
  const DeviceInfo info_;
  size_t in_flight_ = 0;
  uint64_t jobs_ = 0;
  std::set<const Unit*> failed_units_;
  std::vector<uint8_t> scratch_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_DEVICE_H_
