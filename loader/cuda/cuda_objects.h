// Streams, events and buffers that go with their owner.
//
// Each is made on the calling thread's current device. Errors of giving back have nowhere to go: a
// lost device answers them to everything, and has given all back.
#ifndef ECF8_LOADER_CUDA_CUDA_OBJECTS_H_
#define ECF8_LOADER_CUDA_CUDA_OBJECTS_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {

// A CUDA object and the call that ends it. Movable.
template <typename Calls, typename T, CudaError (Calls::*kEnd)(T)>
class CudaObject {
 public:
  CudaObject() = default;
  CudaObject(Calls& cuda, T object) : cuda_(&cuda), object_(object) {}
  CudaObject(CudaObject&& other) noexcept
      : cuda_(std::exchange(other.cuda_, nullptr)), object_(other.object_) {}
  CudaObject& operator=(CudaObject&& other) noexcept {
    std::swap(cuda_, other.cuda_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~CudaObject() {
    if (cuda_ != nullptr) (void)(cuda_->*kEnd)(object_);
  }

  T get() const { return object_; }

 private:
  Calls* cuda_ = nullptr;
  T object_{};
};

using OwnedStream = CudaObject<CudaCalls, CudaStream, &CudaCalls::StreamDestroy>;
using OwnedEvent = CudaObject<CudaMappingCalls, CudaEvent, &CudaMappingCalls::EventDestroy>;
using DeviceBuffer = CudaObject<CudaCalls, uint8_t*, &CudaCalls::Free>;
using PinnedBuffer = CudaObject<CudaCalls, uint8_t*, &CudaCalls::FreeHost>;

// `device` is the current one, for messages.
inline absl::StatusOr<OwnedStream> MakeStream(CudaCalls& cuda, int device) {
  CudaStream stream = nullptr;
  const CudaError error = cuda.StreamCreate(&stream);
  if (error != kCudaSuccess) return CudaStatus(cuda, error, "cudaStreamCreate", device);
  return OwnedStream(cuda, stream);
}

inline absl::StatusOr<OwnedEvent> MakeEvent(CudaMappingCalls& cuda, int device) {
  CudaEvent event = nullptr;
  const CudaError error = cuda.EventCreate(&event);
  if (error != kCudaSuccess) return CudaStatus(cuda, error, "cudaEventCreate", device);
  return OwnedEvent(cuda, event);
}

// At least 256-aligned.
inline absl::StatusOr<DeviceBuffer> MakeDeviceBuffer(CudaCalls& cuda, int device,
                                                     uint64_t size_bytes) {
  uint8_t* memory_dev = nullptr;
  const CudaError error = cuda.Malloc(size_bytes, &memory_dev);
  if (error != kCudaSuccess) return CudaStatus(cuda, error, "cudaMalloc", device);
  return DeviceBuffer(cuda, memory_dev);
}

inline absl::StatusOr<PinnedBuffer> MakePinnedBuffer(CudaCalls& cuda, int device,
                                                     uint64_t size_bytes) {
  uint8_t* memory = nullptr;
  const CudaError error = cuda.HostAlloc(size_bytes, &memory);
  if (error != kCudaSuccess) return CudaStatus(cuda, error, "cudaHostAlloc", device);
  return PinnedBuffer(cuda, memory);
}

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_CUDA_OBJECTS_H_
