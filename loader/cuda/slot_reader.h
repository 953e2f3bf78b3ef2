// Decoded bytes from a GPU's slots to ordinary host memory, or to other memory of the GPU, for
// callers that wait.
#ifndef ECF8_LOADER_CUDA_SLOT_READER_H_
#define ECF8_LOADER_CUDA_SLOT_READER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_objects.h"

namespace ecf8 {

// Copies to the host through pinned buffers; a few callers at once; on a stream of its own, so that
// nobody waits for decoding. Thread-safe.
class SlotReader {
 public:
  static constexpr uint64_t kBufferBytes = uint64_t{1} << 20;
  static constexpr int kBuffers = 4;
  static constexpr uint64_t kPinnedBytes = kBuffers * kBufferBytes;

  // `device` is the calling thread's current one.
  static absl::StatusOr<std::unique_ptr<SlotReader>> Create(CudaCalls& cuda, int device);

  // Sets the calling thread's current device.
  absl::Status Read(const uint8_t* from_dev, absl::Span<uint8_t> out);

  // The same, to memory of the GPU.
  absl::Status Copy(const uint8_t* from_dev, absl::Span<uint8_t> to_dev);

  // From now on all of them fail.
  void Lose(const absl::Status& why);

 private:
  struct Lane {
    PinnedBuffer buffer;
    OwnedEvent copied;
  };

  SlotReader(CudaCalls& cuda, int device) : cuda_(cuda), device_(device) {}
  absl::StatusOr<Lane*> TakeLane();
  void GiveBack(Lane* lane);
  // By one copy, with the lane's event behind it.
  absl::Status CopyPiece(Lane& lane, const uint8_t* from_dev, uint8_t* to, uint64_t size_bytes,
                         CudaCopy direction);
  absl::Status CopyAndWait(Lane& lane, const uint8_t* from_dev, uint8_t* to, uint64_t size_bytes,
                           CudaCopy direction, bool* in_flight);

  CudaCalls& cuda_;
  const int device_;
  OwnedStream stream_;
  std::vector<Lane> lanes_;

  Mutex mutex_;
  CondVar freed_;
  std::vector<Lane*> free_ ABSL_GUARDED_BY(mutex_);
  absl::Status lost_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_SLOT_READER_H_
