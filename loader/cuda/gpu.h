// One GPU's work: a thread that puts jobs into flights, flights into streams, and sees when they
// have passed. It does not wait inside CUDA, unless a call has failed: events are asked for, some
// microseconds apart while anything is on its way.
#ifndef ECF8_LOADER_CUDA_GPU_H_
#define ECF8_LOADER_CUDA_GPU_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_objects.h"
#include "loader/cuda/flight.h"
#include "loader/cuda/slot_reader.h"

namespace ecf8 {

struct GpuOptions {
  int device = 0;
  int flights = 0;             // at once
  uint64_t staging_bytes = 0;  // of each
};

// Thread-safe.
class Gpu {
 public:
  using JobSink = std::function<void(std::unique_ptr<CudaJob>)>;

  // What `options` take of pinned host memory.
  static uint64_t PinnedBytes(const GpuOptions& options);

  // `cuda`, `pinned` and `frames` outlive it. `done` is called on the GPU's thread. Changes the
  // calling thread's current device.
  static absl::StatusOr<std::unique_ptr<Gpu>> Create(CudaCalls& cuda, const GpuOptions& options,
                                                     const PinnedRanges& pinned,
                                                     const DeviceMemory& frames, JobSink done);
  // Waits for the jobs at hand.
  ~Gpu();

  // Every job comes back by `done`: its status is UNAVAILABLE once the device is lost.
  void Submit(std::unique_ptr<CudaJob> job);

  absl::Status ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out);
  // From the GPU's memory to the GPU's memory.
  absl::Status CopySlot(const uint8_t* from_dev, absl::Span<uint8_t> to_dev);

 private:
  Gpu(CudaCalls& cuda, int device, JobSink done);

  void Run();
  bool TakeJobs();
  void Start();
  bool WaitForAll();
  void Fill(Flight& flight);
  void Land();
  void GiveBack(const std::vector<CudaJob*>& jobs);
  void Lose(const absl::Status& why);

  CudaCalls& cuda_;
  const int device_;
  const JobSink done_;

  Mutex mutex_;
  CondVar news_;
  std::deque<std::unique_ptr<CudaJob>> submitted_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;

  // The thread's own.
  OwnedStream copy_stream_;
  OwnedStream decode_stream_;
  std::unique_ptr<SlotReader> reader_;  // and everybody's
  std::vector<std::unique_ptr<Flight>> idle_flights_;
  struct Launched {
    std::unique_ptr<Flight> flight;
    absl::Status status;  // of its start
    bool passed;          // surely: its event need not be asked
  };
  std::deque<Launched> in_the_air_;
  std::deque<std::unique_ptr<CudaJob>> jobs_;  // with parts that no flight has taken
  std::vector<std::unique_ptr<CudaJob>> taken_jobs_;
  absl::Status lost_;  // why
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_GPU_H_
