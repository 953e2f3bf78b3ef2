// A Device of a simulation: single-threaded, in virtual time, seeded, with the faults that devices
// have. The same seed and the same calls give the same run.
//
// It hurts what leans on more than device.h promises: what a job is to decode into is filled with
// garbage when it is submitted, the bytes appear only at the completion, and jobs complete in any
// order.
#ifndef ECF8_TESTS_SUPPORT_FAKE_DEVICE_H_
#define ECF8_TESTS_SUPPORT_FAKE_DEVICE_H_

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "loader/engine/device.h"
#include "loader/memory/slot_space.h"
#include "tests/support/virtual_time.h"

namespace ecf8::testing {

struct FakeDeviceOptions {
  uint64_t seed = 0;
  size_t queue_depth = 4;
  uint64_t slot_bytes = 0;
  double failure = 0;  // chance of a job to fail with INTERNAL
  uint64_t min_delay_us = 10;
  uint64_t max_delay_us = 1000;
};

class FakeDevice final : public Device {
 public:
  // `time` and `sink` outlive it; every job is done before it goes.
  FakeDevice(const FakeDeviceOptions& options, VirtualTime& time, DeviceSink& sink)
      : options_(options),
        time_(time),
        sink_(sink),
        random_(options.seed),
        memory_(std::make_unique<uint8_t[]>(options.slot_bytes)) {}

  bool TrySubmit(DeviceJob job) override {
    if (in_flight_ == options_.queue_depth) return false;
    ++in_flight_;
    if (job.slot != nullptr) {
      for (const UnitPart& part : job.parts) {
        std::fill_n(job.slot + part.decoded_offset_bytes, part.decoded_size_bytes, 0xA5);
      }
    }
    const uint64_t delay_us = std::uniform_int_distribution<uint64_t>(
        options_.min_delay_us, options_.max_delay_us)(random_);
    time_.At(delay_us, [this, job] { Finish(job); });
    return true;
  }
  size_t queue_depth() const override { return options_.queue_depth; }
  absl::Span<uint8_t> slot_memory() const override {
    return {memory_.get(), options_.slot_bytes / kSlotPageBytes * kSlotPageBytes};
  }
  std::string name() const override { return "fake"; }

  // From now on.
  void SetFailure(double chance) { options_.failure = chance; }
  // The units of the jobs that were made to fail.
  const std::set<const Unit*>& failed_units() const { return failed_units_; }

 private:
  void Finish(const DeviceJob& job) {
    --in_flight_;
    if (std::bernoulli_distribution(options_.failure)(random_)) {
      failed_units_.insert(job.unit);
      DeviceJobDone done;
      done.tag = job.tag;
      done.status = absl::InternalError("the device has a fault");
      return sink_.OnJobDone(std::move(done));
    }
    sink_.OnJobDone(RunOnCpu(job, &scratch_));
  }

  FakeDeviceOptions options_;
  VirtualTime& time_;
  DeviceSink& sink_;
  std::mt19937_64 random_;
  const std::unique_ptr<uint8_t[]> memory_;
  size_t in_flight_ = 0;
  std::set<const Unit*> failed_units_;
  std::vector<uint8_t> scratch_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_DEVICE_H_
