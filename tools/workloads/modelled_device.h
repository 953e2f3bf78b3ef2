// A machine that is not there, for the engine to work on: a bus and a decoder as fast as they are
// said to be, and memory of any size, none of which is ever touched.
#ifndef ECF8_TOOLS_WORKLOADS_MODELLED_DEVICE_H_
#define ECF8_TOOLS_WORKLOADS_MODELLED_DEVICE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <queue>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/engine/device.h"
#include "loader/memory/memory_calls.h"
#include "loader/memory/sealed_memory.h"

namespace ecf8 {

// When what is done one after the other, at so much a second, is done. Thread-compatible.
class ModelledStage {
 public:
  using Clock = std::chrono::steady_clock;

  // `rate` of 0: it takes no time.
  explicit ModelledStage(double rate) : rate_(rate) {}

  // The end of what is to begin at `begin` at the earliest.
  Clock::time_point Add(Clock::time_point begin, uint64_t amount) {
    if (begin > end_) end_ = begin;
    if (rate_ > 0) {
      end_ +=
          std::chrono::nanoseconds(static_cast<int64_t>(1e9 * static_cast<double>(amount) / rate_));
    }
    return end_;
  }

 private:
  const double rate_;
  Clock::time_point end_{};
};

// Keeps those who read to so many bytes a second, all together. Thread-safe.
class ModelledDisk {
 public:
  explicit ModelledDisk(double rate) : stage_(rate) {}

  // Returns when so many bytes would have been read.
  void Pass(uint64_t size_bytes) {
    ModelledStage::Clock::time_point end;
    {
      MutexLock lock(mutex_);
      end = stage_.Add(ModelledStage::Clock::now(), size_bytes);
    }
    std::this_thread::sleep_until(end);
  }

 private:
  Mutex mutex_;
  ModelledStage stage_ ABSL_GUARDED_BY(mutex_);
};

struct ModelledDeviceOptions {
  uint64_t slot_bytes = 0;
  uint64_t frame_bytes = 0;
  double bus_rate = 0;     // stored bytes a second; 0: as fast as it goes
  double decode_rate = 0;  // decoded bytes a second; 0, likewise
};

// Takes jobs as a GPU does (its queue, the sizes of its jobs), and ends them when the bus and the
// decoder would have, without having looked at a byte.
class ModelledDevice final : public Device {
 public:
  // RESOURCE_EXHAUSTED where there are not so many addresses, or no thread.
  static absl::StatusOr<std::unique_ptr<ModelledDevice>> Create(
      const ModelledDeviceOptions& options, DeviceSink& sink);
  ~ModelledDevice() override;

  bool TrySubmit(DeviceJob job) override;
  void RegisterHostMemory(absl::Span<uint8_t> /*memory*/) override {}
  absl::Span<uint8_t> slot_memory_dev() const override { return slots_.bytes(); }
  SharedSlots shared_slots() const override;
  absl::Span<uint8_t> frame_memory_dev() const override { return frames_; }
  absl::Status ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) override;
  void WaitUntilTouched() override {}
  const DeviceInfo& info() const override { return info_; }

 private:
  ModelledDevice(const ModelledDeviceOptions& options, DeviceSink& sink);

  using Clock = ModelledStage::Clock;
  struct Flight {
    Clock::time_point end;
    uint64_t tag = 0;
    bool tables = false;  // among its parts

    bool operator>(const Flight& other) const { return end > other.end; }
  };

  void Run();

  DeviceSink& sink_;
  const DeviceInfo info_;
  SealedMemory slots_;
  SealedMemory generations_;
  absl::Span<uint8_t> frames_;

  Mutex mutex_;
  CondVar news_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  ModelledStage bus_ ABSL_GUARDED_BY(mutex_);
  ModelledStage decoder_ ABSL_GUARDED_BY(mutex_);
  std::priority_queue<Flight, std::vector<Flight>, std::greater<>> flights_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// Memory for an arena of any size, of which none is reserved.
class UnreservedMemory final : public MemoryCalls {
 public:
  void* Map(uint64_t size_bytes, int flags) override;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_MODELLED_DEVICE_H_
