#include "loader/cuda/slot_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/cuda/cuda_status.h"
#include "loader/cuda/stream_wait.h"

namespace ecf8 {

absl::StatusOr<std::unique_ptr<SlotReader>> SlotReader::Create(CudaCalls& cuda, int device) {
  std::unique_ptr<SlotReader> reader(new SlotReader(cuda, device));
  ECF8_ASSIGN_OR_RETURN(reader->stream_, MakeStream(cuda, device));
  for (int i = 0; i < kBuffers; ++i) {
    Lane lane;
    ECF8_ASSIGN_OR_RETURN(lane.buffer, MakePinnedBuffer(cuda, device, kBufferBytes));
    ECF8_ASSIGN_OR_RETURN(lane.copied, MakeEvent(cuda, device));
    reader->lanes_.push_back(std::move(lane));
  }
  MutexLock lock(reader->mutex_);
  for (Lane& lane : reader->lanes_) reader->free_.push_back(&lane);
  return reader;
}

absl::Status SlotReader::Read(const uint8_t* from_dev, absl::Span<uint8_t> out) {
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.SetDevice(device_), "cudaSetDevice", device_));
  while (!out.empty()) {
    const uint64_t size = std::min<uint64_t>(out.size(), kBufferBytes);
    ECF8_ASSIGN_OR_RETURN(Lane * lane, TakeLane());
    const absl::Status status =
        CopyPiece(*lane, from_dev, lane->buffer.get(), size, CudaCopy::kDeviceToHost);
    if (status.ok()) std::memcpy(out.data(), lane->buffer.get(), size);
    GiveBack(lane);
    ECF8_RETURN_IF_ERROR(status);
    from_dev += size;
    out.remove_prefix(size);
  }
  return absl::OkStatus();
}

absl::Status SlotReader::Copy(const uint8_t* from_dev, absl::Span<uint8_t> to_dev) {
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.SetDevice(device_), "cudaSetDevice", device_));
  ECF8_ASSIGN_OR_RETURN(Lane * lane, TakeLane());
  const absl::Status status =
      CopyPiece(*lane, from_dev, to_dev.data(), to_dev.size(), CudaCopy::kDeviceToDevice);
  GiveBack(lane);
  return status;
}

// Nothing of it is on its way afterwards, unless the device is lost.
absl::Status SlotReader::CopyPiece(Lane& lane, const uint8_t* from_dev, uint8_t* to,
                                   uint64_t size_bytes, CudaCopy direction) {
  bool in_flight = false;
  absl::Status status = CopyAndWait(lane, from_dev, to, size_bytes, direction, &in_flight);
  if (in_flight) {
    // No event tells when the copy has passed.
    const absl::Status passed =
        CudaStatus(cuda_, cuda_.DeviceSynchronize(), "cudaDeviceSynchronize", device_);
    if (!passed.ok()) Lose(passed);
  }
  return status;
}

absl::Status SlotReader::CopyAndWait(Lane& lane, const uint8_t* from_dev, uint8_t* to,
                                     uint64_t size_bytes, CudaCopy direction, bool* in_flight) {
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda_, cuda_.MemcpyAsync(to, from_dev, size_bytes, direction, stream_.get()),
                 "cudaMemcpyAsync", device_));
  *in_flight = true;
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.EventRecord(lane.copied.get(), stream_.get()),
                                  "cudaEventRecord", device_));
  const CudaError error = WaitForEvent(cuda_, lane.copied.get(), [] { return false; });
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, error, "cudaEventQuery", device_));
  *in_flight = false;
  return absl::OkStatus();
}

absl::StatusOr<SlotReader::Lane*> SlotReader::TakeLane() {
  MutexLock lock(mutex_);
  while (lost_.ok() && free_.empty()) freed_.Wait(lock);
  if (!lost_.ok()) return lost_;
  Lane* const lane = free_.back();
  free_.pop_back();
  return lane;
}

void SlotReader::GiveBack(Lane* lane) {
  MutexLock lock(mutex_);
  free_.push_back(lane);
  freed_.NotifyOne();
}

void SlotReader::Lose(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (lost_.ok()) lost_ = why;
  freed_.NotifyAll();
}

}  // namespace ecf8
