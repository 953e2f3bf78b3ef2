// CUDA without a GPU, as strict as it is allowed to be.
//
// Streams are threads. Whatever is queued in them runs as late as it may: only when somebody asks
// whether an event has passed, and then first in the streams that nobody asked about. What a GPU
// would let pass, mostly, fails the test: asynchronous copies of memory that is not pinned, use of
// memory after it is freed or beyond its end, work in two streams on the same bytes without an
// event between, another device's streams and events, memory pinned twice, or freed while work is
// queued, memory that is handed out to a second process, and whatever is left in the end.
//
// Memory that is exported can be imported by the fake of another process, which finds the same
// bytes there.
//
//   FakeCuda cuda({.seed = 7});
//   cuda.FailCall("MemcpyAsync", 3, kCudaInvalidValue);   // the third from now on
#ifndef ECF8_TESTS_SUPPORT_FAKE_CUDA_FAKE_CUDA_H_
#define ECF8_TESTS_SUPPORT_FAKE_CUDA_FAKE_CUDA_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/cuda/cuda_calls.h"
#include "tests/support/fake_cuda/cpu_tile_kernel.h"
#include "tests/support/fake_cuda/fake_memory.h"
#include "tests/support/fake_cuda/race_checker.h"

namespace ecf8::testing {

// What the fake answers to a misuse that CUDA itself would refuse.
inline constexpr CudaError kRefused = kCudaInvalidValue;

struct FakeCudaOptions {
  uint64_t seed = 1;
  int devices = 1;
  uint64_t memory_bytes = uint64_t{1} << 30;  // of each device
  bool virtual_memory = true;
  bool exports_handles = true;
  bool peers = true;  // devices reach each other's memory
  // What a launch does, on the stream's thread.
  std::function<bool(const TileWork&, const ResolveAddress&, std::string*)> kernel =
      RunTileWorkOnCpu;
};

// Thread-safe. Goes after all that uses it.
class FakeCuda final : public CudaCalls {
 public:
  explicit FakeCuda(const FakeCudaOptions& options);
  FakeCuda() : FakeCuda(FakeCudaOptions{}) {}
  // Fails the test for what is left, and for misuses that TakeMisuses has not taken.
  ~FakeCuda() override;

  // The n-th call of this name from now on, counted from 1, returns `error`. A lost device's
  // calls then all return it. What gives something back does that nevertheless.
  void FailCall(const std::string& name, uint64_t n, CudaError error);
  // From now on copies and launches are refused now and then.
  void FailAtRandom(double probability);
  // The n-th kernel from now on meets an illegal address while it runs.
  void FailKernel(uint64_t n);

  uint64_t calls(const std::string& name) const;
  uint64_t faults() const;  // injected so far
  std::vector<std::string> TakeMisuses();

  const char* ErrorName(CudaError error) override;
  const char* ErrorText(CudaError error) override;
  CudaError GetDeviceCount(int* count) override;
  CudaError GetDeviceUuid(int device, CudaUuid* uuid) override;
  CudaError GetDeviceTraits(int device, CudaDeviceTraits* traits) override;
  CudaError CanAccessPeer(int device, int peer, bool* can) override;
  CudaError SetDevice(int device) override;
  CudaError DeviceSynchronize() override;
  CudaError Malloc(uint64_t size_bytes, uint8_t** memory_dev) override;
  CudaError Free(uint8_t* memory_dev) override;
  CudaError HostAlloc(uint64_t size_bytes, uint8_t** memory) override;
  CudaError FreeHost(uint8_t* memory) override;
  CudaError HostRegister(uint8_t* memory, uint64_t size_bytes) override;
  CudaError HostUnregister(uint8_t* memory) override;
  CudaError MemGetAllocationGranularity(int device, bool exportable, uint64_t* size_bytes) override;
  CudaError MemAddressReserve(uint64_t size_bytes, uint8_t** address_dev) override;
  CudaError MemAddressFree(uint8_t* address_dev, uint64_t size_bytes) override;
  CudaError MemCreate(int device, uint64_t size_bytes, bool exportable,
                      CudaMemoryHandle* handle) override;
  CudaError MemRelease(CudaMemoryHandle handle) override;
  CudaError MemMap(uint8_t* address_dev, uint64_t size_bytes, CudaMemoryHandle handle) override;
  CudaError MemUnmap(uint8_t* address_dev, uint64_t size_bytes) override;
  CudaError MemSetAccess(uint8_t* address_dev, uint64_t size_bytes,
                         const std::vector<int>& devices) override;
  CudaError MemExportToShareableHandle(CudaMemoryHandle handle, int* fd) override;
  CudaError MemImportFromShareableHandle(int fd, CudaMemoryHandle* handle) override;
  CudaError StreamCreate(CudaStream* stream) override;
  CudaError StreamDestroy(CudaStream stream) override;
  CudaError StreamWaitEvent(CudaStream stream, CudaEvent event) override;
  CudaError EventCreate(CudaEvent* event) override;
  CudaError EventDestroy(CudaEvent event) override;
  CudaError EventRecord(CudaEvent event, CudaStream stream) override;
  CudaError EventQuery(CudaEvent event) override;
  CudaError EventElapsedTime(CudaEvent begin, CudaEvent end, float* time_ms) override;
  CudaError MemcpyAsync(uint8_t* to, const uint8_t* from, uint64_t size_bytes, CudaCopy direction,
                        CudaStream stream) override;
  CudaError PrepareTileDecode(TileDecodeShape* shape) override;
  CudaError LaunchTileDecode(const TileDecodeShape& shape, const TileWork& work,
                             CudaStream stream) override;

 private:
  // One EventRecord.
  struct Recording {
    StreamClock clock{};
    bool passed = false;
  };
  struct Event {
    int device;
    std::shared_ptr<Recording> last{};  // null: never recorded
  };
  struct Work {
    StreamWork identity;
    std::function<void(const StreamWork&)> run{};  // of a copy or a kernel
    std::shared_ptr<Recording> record{};
    std::shared_ptr<Recording> wait_for{};
  };
  struct Stream {
    int number;
    int device;
    std::deque<Work> queue{};
    bool may_run = false;  // the first in the queue
    bool running = false;
    bool ending = false;
    StreamClock last{};  // of what was queued last
    std::thread thread{};
  };

  // Counts the call; its injected error, or that of the current device.
  CudaError Begin(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CudaError BeginStarting(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Misuse(const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int CurrentDevice(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckIdle(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Stream* Find(CudaStream stream, const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Event* Find(CudaEvent event, const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Work& Queue(Stream& stream, const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool CanRun(const Stream& stream) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LetSomethingRun(const StreamClock& wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunStream(Stream& stream);
  void Copy(const StreamWork& work, int device, uint8_t* to, const uint8_t* from,
            uint64_t size_bytes, CudaCopy direction);
  void Decode(const StreamWork& work, int device, const TileWork& tiles);
  uint8_t* Touch(const StreamWork& work, int device, const void* address, uint64_t size_bytes,
                 bool on_device, bool write);

  const FakeCudaOptions options_;
  mutable Mutex mutex_;
  CondVar news_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  FakeMemory memory_ ABSL_GUARDED_BY(mutex_);
  RaceChecker races_ ABSL_GUARDED_BY(mutex_);
  StreamClock host_clock_ ABSL_GUARDED_BY(mutex_);
  std::map<uintptr_t, std::unique_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<uintptr_t, Event> events_ ABSL_GUARDED_BY(mutex_);
  uintptr_t next_object_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::thread::id, int> current_ ABSL_GUARDED_BY(mutex_);
  std::map<int, CudaError> lost_ ABSL_GUARDED_BY(mutex_);  // by device
  std::map<std::string, uint64_t> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, uint64_t>, CudaError> to_fail_ ABSL_GUARDED_BY(mutex_);
  double failure_probability_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t kernels_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<uint64_t> kernels_to_fail_ ABSL_GUARDED_BY(mutex_);
  uint64_t faults_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> misuses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_CUDA_FAKE_CUDA_H_
