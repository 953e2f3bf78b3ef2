#include "tests/support/fake_cuda/fake_cuda.h"

#include <gtest/gtest.h>

#include <chrono>

#include "loader/cuda/cuda_status.h"

namespace ecf8::testing {

FakeCuda::FakeCuda(const FakeCudaOptions& options) : options_(options), random_(options.seed) {}

FakeCuda::~FakeCuda() {
  MutexLock lock(mutex_);
  for (const std::string& leak : memory_.Leaks()) Misuse("left: " + leak);
  if (!streams_.empty()) Misuse("left: " + std::to_string(streams_.size()) + " streams");
  if (!events_.empty()) Misuse("left: " + std::to_string(events_.size()) + " events");
  for (const std::string& misuse : misuses_) ADD_FAILURE() << "CUDA: " << misuse;
  EXPECT_TRUE(streams_.empty());  // their threads need the fake
}

void FakeCuda::FailCall(const std::string& name, uint64_t n, CudaError error) {
  MutexLock lock(mutex_);
  to_fail_[{name, calls_[name] + n}] = error;
}

void FakeCuda::FailAtRandom(double probability) {
  MutexLock lock(mutex_);
  failure_probability_ = probability;
}

void FakeCuda::FailKernel(uint64_t n) {
  MutexLock lock(mutex_);
  kernels_to_fail_.insert(kernels_ + n);
}

uint64_t FakeCuda::calls(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto found = calls_.find(name);
  return found == calls_.end() ? 0 : found->second;
}

uint64_t FakeCuda::faults() const {
  MutexLock lock(mutex_);
  return faults_;
}

std::vector<std::string> FakeCuda::TakeMisuses() {
  MutexLock lock(mutex_);
  return std::exchange(misuses_, {});
}

void FakeCuda::Misuse(const std::string& what) {
  if (misuses_.size() < 20) misuses_.push_back(what);
}

CudaError FakeCuda::Begin(const std::string& name) {
  const uint64_t n = ++calls_[name];
  const auto current = current_.find(std::this_thread::get_id());
  const int device = current == current_.end() ? 0 : current->second;
  if (const auto lost = lost_.find(device); lost != lost_.end()) return lost->second;
  const auto fail = to_fail_.find({name, n});
  if (fail == to_fail_.end()) return kCudaSuccess;
  ++faults_;
  if (IsLostDevice(fail->second)) lost_[device] = fail->second;
  return fail->second;
}

CudaError FakeCuda::BeginStarting(const std::string& name) {
  if (const CudaError error = Begin(name)) return error;
  if (failure_probability_ == 0 || !std::bernoulli_distribution(failure_probability_)(random_)) {
    return kCudaSuccess;
  }
  ++faults_;
  return kCudaInvalidValue;
}

// CUDA's is 0 where a thread has named none; who relies on that means no device in particular.
int FakeCuda::CurrentDevice(const std::string& name) {
  const auto found = current_.find(std::this_thread::get_id());
  if (found != current_.end()) return found->second;
  Misuse(name + " by a thread that has set no device");
  return 0;
}

void FakeCuda::CheckIdle(const std::string& name) {
  if (!lost_.empty()) return;
  for (const auto& [number, stream] : streams_) {
    if (!stream->queue.empty() || stream->running) {
      return Misuse(name + " while work is queued: it would wait for all of it");
    }
  }
}

FakeCuda::Stream* FakeCuda::Find(CudaStream stream, const std::string& name) {
  const auto found = streams_.find(reinterpret_cast<uintptr_t>(stream));
  if (found == streams_.end()) {
    Misuse(name + " with no stream");
    return nullptr;
  }
  // Streams may end whatever device is current.
  if (name != "StreamDestroy" && CurrentDevice(name) != found->second->device) {
    Misuse(name + ": the stream of another device");
  }
  return found->second.get();
}

FakeCuda::Event* FakeCuda::Find(CudaEvent event, const std::string& name) {
  const auto found = events_.find(reinterpret_cast<uintptr_t>(event));
  if (found != events_.end()) return &found->second;
  Misuse(name + " with no event");
  return nullptr;
}

const char* FakeCuda::ErrorName(CudaError error) {
  switch (error) {
    case kCudaInvalidValue:
      return "cudaErrorInvalidValue";
    case kCudaOutOfMemory:
      return "cudaErrorMemoryAllocation";
    case kCudaIllegalAddress:
      return "cudaErrorIllegalAddress";
    default:
      return "cudaErrorOfTheFake";
  }
}

const char* FakeCuda::ErrorText(CudaError error) {
  switch (error) {
    case kCudaInvalidValue:
      return "invalid argument";
    case kCudaOutOfMemory:
      return "out of memory";
    case kCudaIllegalAddress:
      return "an illegal memory access was encountered";
    default:
      return "an error that the fake was told of";
  }
}

CudaError FakeCuda::GetDeviceCount(int* count) {
  MutexLock lock(mutex_);
  *count = options_.devices;
  return Begin("GetDeviceCount");
}

CudaError FakeCuda::GetDeviceUuid(int device, CudaUuid* uuid) {
  MutexLock lock(mutex_);
  *uuid = {'f', 'a', 'k', 'e', static_cast<uint8_t>(device)};
  return Begin("GetDeviceUuid");
}

CudaError FakeCuda::GetDeviceTraits(int /*device*/, CudaDeviceTraits* traits) {
  MutexLock lock(mutex_);
  traits->name = "fake";
  traits->virtual_memory = options_.virtual_memory;
  traits->exports_handles = options_.exports_handles;
  return Begin("GetDeviceTraits");
}

CudaError FakeCuda::CanAccessPeer(int /*device*/, int /*peer*/, bool* can) {
  MutexLock lock(mutex_);
  *can = options_.peers;
  return Begin("CanAccessPeer");
}

CudaError FakeCuda::SetDevice(int device) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("SetDevice")) return error;
  if (device < 0 || device >= options_.devices) return kRefused;
  current_[std::this_thread::get_id()] = device;
  return kCudaSuccess;
}

CudaError FakeCuda::DeviceSynchronize() {
  MutexLock lock(mutex_);
  const int device = CurrentDevice("DeviceSynchronize");
  while (!lost_.contains(device)) {
    bool idle = true;
    for (const auto& [number, stream] : streams_) {
      idle = idle && stream->queue.empty() && !stream->running;
    }
    if (idle) break;
    LetSomethingRun({});
    news_.WaitUntil(lock, std::chrono::steady_clock::now() + std::chrono::milliseconds(1));
  }
  for (const auto& [number, stream] : streams_) Join(&host_clock_, stream->last);
  return Begin("DeviceSynchronize");
}

}  // namespace ecf8::testing
