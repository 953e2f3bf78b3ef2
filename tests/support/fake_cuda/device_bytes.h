// What lies in a device's memory, for a test that has its own CUDA.
#ifndef ECF8_TESTS_SUPPORT_FAKE_CUDA_DEVICE_BYTES_H_
#define ECF8_TESTS_SUPPORT_FAKE_CUDA_DEVICE_BYTES_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <thread>

#include "absl/types/span.h"
#include "loader/cuda/cuda_calls.h"

namespace ecf8::testing {

// A stream of device 0, and pinned memory. Thread-compatible.
class DeviceBytes {
 public:
  DeviceBytes(CudaCalls& cuda, uint64_t most_bytes) : cuda_(cuda) {
    EXPECT_EQ(cuda_.SetDevice(0), kCudaSuccess);
    EXPECT_EQ(cuda_.StreamCreate(&stream_), kCudaSuccess);
    EXPECT_EQ(cuda_.EventCreate(&event_), kCudaSuccess);
    EXPECT_EQ(cuda_.HostAlloc(most_bytes, &pinned_), kCudaSuccess);
  }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  ~DeviceBytes() {
    EXPECT_EQ(cuda_.SetDevice(0), kCudaSuccess);
    EXPECT_EQ(cuda_.EventDestroy(event_), kCudaSuccess);
    EXPECT_EQ(cuda_.StreamDestroy(stream_), kCudaSuccess);
    EXPECT_EQ(cuda_.FreeHost(pinned_), kCudaSuccess);
  }

  std::string Read(absl::Span<const uint8_t> memory_dev) {
    QueueRead(memory_dev);
    Pass();
    return LastRead(memory_dev.size());
  }
  void Fill(absl::Span<const uint8_t> memory_dev, uint8_t byte) {
    std::memset(pinned_, byte, memory_dev.size());
    EXPECT_EQ(cuda_.MemcpyAsync(const_cast<uint8_t*>(memory_dev.data()), pinned_, memory_dev.size(),
                                CudaCopy::kHostToDevice, stream_),
              kCudaSuccess);
    Pass();
  }

  // In two steps: what is queued runs when somebody waits for the stream.
  void QueueRead(absl::Span<const uint8_t> memory_dev) {
    EXPECT_EQ(cuda_.MemcpyAsync(pinned_, memory_dev.data(), memory_dev.size(),
                                CudaCopy::kDeviceToHost, stream_),
              kCudaSuccess);
  }
  std::string LastRead(uint64_t size_bytes) const {
    return std::string(reinterpret_cast<const char*>(pinned_), size_bytes);
  }
  CudaStream stream() const { return stream_; }

 private:
  void Pass() {
    EXPECT_EQ(cuda_.EventRecord(event_, stream_), kCudaSuccess);
    CudaError error = cuda_.EventQuery(event_);
    for (; error == kCudaNotReady; error = cuda_.EventQuery(event_)) std::this_thread::yield();
    EXPECT_EQ(error, kCudaSuccess);
  }

  CudaCalls& cuda_;
  CudaStream stream_ = nullptr;
  CudaEvent event_ = nullptr;
  uint8_t* pinned_ = nullptr;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_CUDA_DEVICE_BYTES_H_
