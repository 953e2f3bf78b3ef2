// The device that every machine has: slots in sealed shared memory, frames in private memory, the
// decoder on threads of its own. It decodes from host memory as fast as from its frames.
#ifndef ECF8_LOADER_ENGINE_HOST_DEVICE_H_
#define ECF8_LOADER_ENGINE_HOST_DEVICE_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/engine/device.h"
#include "loader/memory/sealed_memory.h"

namespace ecf8 {

struct HostDeviceOptions {
  uint64_t slot_budget_bytes = 0;   // rounded down to whole pages of slots
  uint64_t frame_budget_bytes = 0;  // for compressed units; rounded down to whole frames
  int threads = 0;                  // that decode; 0: one a core
  std::vector<int> cores{};         // to pin the threads to, in turn; empty: the system chooses
  bool touch = true;                // slots and frames, in the background
};

class HostDevice final : public Device {
 public:
  // `sink` outlives the device. RESOURCE_EXHAUSTED where there is no such memory or no thread;
  // INVALID_ARGUMENT for a core that is not there.
  static absl::StatusOr<std::unique_ptr<HostDevice>> Create(const HostDeviceOptions& options,
                                                            DeviceSink& sink);
  ~HostDevice() override;

  bool TrySubmit(DeviceJob job) override;
  void RegisterHostMemory(absl::Span<uint8_t> /*memory*/) override {}
  absl::Span<uint8_t> slot_memory_dev() const override { return slots_.bytes(); }
  SharedSlots shared_slots() const override;
  absl::Span<uint8_t> frame_memory_dev() const override { return frame_memory_; }
  absl::Status ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) override;
  // The pages of slots and frames are touched in the background, so that decoding does not wait for
  // the kernel to clear them; where it refuses, they are touched as they are written.
  void WaitUntilTouched() override;
  const DeviceInfo& info() const override { return info_; }

 private:
  HostDevice(DeviceSink& sink, size_t threads);

  absl::Status MapSlots(uint64_t budget_bytes);
  absl::Status MapFrames(uint64_t budget_bytes);
  absl::Status StartThreads(const HostDeviceOptions& options, size_t count);
  void Run(uint32_t lane);
  void TouchMemory();
  bool Touch(absl::Span<uint8_t> memory);  // false: refused, or no time left

  DeviceSink& sink_;
  const DeviceInfo info_;
  SealedMemory slots_;
  SealedMemory generations_;  // of whole pages of memory; the first so many are of slot pages
  absl::Span<uint8_t> frame_memory_;

  Mutex mutex_;
  CondVar work_;
  std::deque<DeviceJob> queue_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> jobs_ = 0;  // queued and at hand; grows under mutex_ only
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  CondVar touch_ended_;
  bool touching_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
  std::thread touch_thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_HOST_DEVICE_H_
