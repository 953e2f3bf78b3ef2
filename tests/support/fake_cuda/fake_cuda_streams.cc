// The calls that make streams and events, and put something into a stream.
#include <memory>
#include <utility>

#include "tests/support/fake_cuda/fake_cuda.h"

namespace ecf8::testing {

CudaError FakeCuda::StreamCreate(CudaStream* stream) {
  MutexLock lock(mutex_);
  const int device = CurrentDevice("StreamCreate");
  if (const CudaError error = Begin("StreamCreate")) return error;
  const uintptr_t number = next_object_++;
  auto made = std::make_unique<Stream>();
  made->number = static_cast<int>(number);
  made->device = device;
  made->thread = std::thread([this, raw = made.get()] { RunStream(*raw); });
  streams_[number] = std::move(made);
  *stream = reinterpret_cast<CudaStream>(number);
  return kCudaSuccess;
}

CudaError FakeCuda::StreamDestroy(CudaStream stream) {
  std::unique_ptr<Stream> ending;
  CudaError error = kCudaSuccess;
  {
    MutexLock lock(mutex_);
    CheckIdle("StreamDestroy");
    Stream* const found = Find(stream, "StreamDestroy");
    error = Begin("StreamDestroy");
    if (found == nullptr) return kRefused;
    found->ending = true;
    news_.NotifyAll();
    const auto node = streams_.find(reinterpret_cast<uintptr_t>(stream));
    ending = std::move(node->second);
    streams_.erase(node);
  }
  ending->thread.join();
  return error;
}

CudaError FakeCuda::StreamWaitEvent(CudaStream stream, CudaEvent event) {
  MutexLock lock(mutex_);
  Stream* const to_wait = Find(stream, "StreamWaitEvent");
  const Event* const found = Find(event, "StreamWaitEvent");
  if (const CudaError error = Begin("StreamWaitEvent")) return error;
  if (to_wait == nullptr || found == nullptr) return kRefused;
  if (found->last == nullptr) {
    Misuse("StreamWaitEvent for an event that was never recorded: it waits for nothing");
    return kCudaSuccess;
  }
  Join(&to_wait->last, found->last->clock);
  Queue(*to_wait, "a wait").wait_for = found->last;
  return kCudaSuccess;
}

CudaError FakeCuda::EventCreate(CudaEvent* event) {
  MutexLock lock(mutex_);
  const int device = CurrentDevice("EventCreate");
  if (const CudaError error = Begin("EventCreate")) return error;
  const uintptr_t number = next_object_++;
  events_[number] = {.device = device};
  *event = reinterpret_cast<CudaEvent>(number);
  return kCudaSuccess;
}

CudaError FakeCuda::EventDestroy(CudaEvent event) {
  MutexLock lock(mutex_);
  if (events_.erase(reinterpret_cast<uintptr_t>(event)) == 0) Misuse("EventDestroy of no event");
  return Begin("EventDestroy");
}

CudaError FakeCuda::EventRecord(CudaEvent event, CudaStream stream) {
  MutexLock lock(mutex_);
  Stream* const in = Find(stream, "EventRecord");
  Event* const found = Find(event, "EventRecord");
  if (const CudaError error = Begin("EventRecord")) return error;
  if (in == nullptr || found == nullptr) return kRefused;
  if (in->device != found->device) Misuse("EventRecord of another device's event");
  const auto recording = std::make_shared<Recording>();
  Queue(*in, "an event").record = recording;
  recording->clock = in->last;
  found->last = recording;
  return kCudaSuccess;
}

CudaError FakeCuda::EventQuery(CudaEvent event) {
  MutexLock lock(mutex_);
  const Event* const found = Find(event, "EventQuery");
  if (const CudaError error = Begin("EventQuery")) return error;
  if (found == nullptr) return kRefused;
  if (found->last == nullptr) return kCudaSuccess;
  if (found->last->passed) {
    Join(&host_clock_, found->last->clock);
    return kCudaSuccess;
  }
  if (!LetSomethingRun(found->last->clock)) Misuse("EventQuery of an event that can never pass");
  return kCudaNotReady;
}

CudaError FakeCuda::EventElapsedTime(CudaEvent begin, CudaEvent end, float* time_ms) {
  MutexLock lock(mutex_);
  for (const CudaEvent event : {begin, end}) {
    const Event* const found = Find(event, "EventElapsedTime");
    if (found == nullptr || found->last == nullptr || !found->last->passed) {
      Misuse("EventElapsedTime of an event that has not passed");
    }
  }
  *time_ms = 0.25F;
  return Begin("EventElapsedTime");
}

CudaError FakeCuda::MemcpyAsync(uint8_t* to, const uint8_t* from, uint64_t size_bytes,
                                CudaCopy direction, CudaStream stream) {
  MutexLock lock(mutex_);
  Stream* const in = Find(stream, "MemcpyAsync");
  if (const CudaError error = BeginStarting("MemcpyAsync")) return error;
  if (in == nullptr) return kRefused;
  if ((direction == CudaCopy::kHostToDevice && !memory_.IsPinned(from, size_bytes)) ||
      (direction == CudaCopy::kDeviceToHost && !memory_.IsPinned(to, size_bytes))) {
    Misuse("MemcpyAsync of memory that is not pinned as a whole");
  }
  const char* const what = direction == CudaCopy::kHostToDevice   ? "a copy to the device"
                           : direction == CudaCopy::kDeviceToHost ? "a copy to the host"
                                                                  : "a copy on the device";
  const int device = in->device;
  Queue(*in, what).run = [=, this](const StreamWork& work) {
    Copy(work, device, to, from, size_bytes, direction);
  };
  return kCudaSuccess;
}

CudaError FakeCuda::PrepareTileDecode(TileDecodeShape* shape) {
  MutexLock lock(mutex_);
  CurrentDevice("PrepareTileDecode");
  *shape = {.warps = 24, .blocks = 2, .multiprocessors = 4, .shared_memory_offset = 1024};
  return Begin("PrepareTileDecode");
}

CudaError FakeCuda::LaunchTileDecode(const TileDecodeShape& /*shape*/, const TileWork& work,
                                     CudaStream stream) {
  MutexLock lock(mutex_);
  Stream* const in = Find(stream, "LaunchTileDecode");
  if (const CudaError error = BeginStarting("LaunchTileDecode")) return error;
  if (in == nullptr) return kRefused;
  const int device = in->device;
  Queue(*in, "a kernel").run = [=, this](const StreamWork& identity) {
    Decode(identity, device, work);
  };
  return kCudaSuccess;
}

}  // namespace ecf8::testing
