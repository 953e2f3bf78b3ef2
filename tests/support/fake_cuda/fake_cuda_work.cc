// What is in the streams: when it runs, and what it does.
#include <cstring>
#include <utility>

#include "tests/support/fake_cuda/fake_cuda.h"

namespace ecf8::testing {

// After all that the stream and the host know of.
FakeCuda::Work& FakeCuda::Queue(Stream& stream, const std::string& what) {
  Join(&stream.last, host_clock_);
  const uint64_t sequence = ++stream.last[stream.number];
  stream.queue.push_back({.identity = {stream.number, sequence, stream.last,
                                       what + " (stream " + std::to_string(stream.number) + ")"}});
  return stream.queue.back();
}

bool FakeCuda::CanRun(const Stream& stream) const {
  if (stream.queue.empty() || stream.running || stream.may_run) return false;
  if (lost_.contains(stream.device)) return false;
  const auto& wait_for = stream.queue.front().wait_for;
  return wait_for == nullptr || wait_for->passed;
}

// Rather what is not wanted. False where nothing can ever run.
bool FakeCuda::LetSomethingRun(const StreamClock& wanted) {
  std::vector<Stream*> needed;
  std::vector<Stream*> others;
  for (const auto& [number, stream] : streams_) {
    if (stream->running || stream->may_run) return true;  // one at a time, so that orders differ
    if (!CanRun(*stream)) continue;
    const StreamWork& next = stream->queue.front().identity;
    const auto known = wanted.find(next.stream);
    const bool needs = known != wanted.end() && known->second >= next.sequence;
    (needs ? needed : others).push_back(stream.get());
  }
  // Now and then what is wanted, or a job would wait for all those after it.
  const bool adversarial = !others.empty() && (needed.empty() || random_() % 4 != 0);
  std::vector<Stream*>& choice = adversarial ? others : needed;
  if (choice.empty()) return !lost_.empty();
  choice[random_() % choice.size()]->may_run = true;
  news_.NotifyAll();
  return true;
}

void FakeCuda::RunStream(Stream& stream) {
  while (true) {
    Work work;
    {
      MutexLock lock(mutex_);
      while (!stream.may_run && !stream.ending) news_.Wait(lock);
      if (stream.ending) return;
      stream.may_run = false;
      stream.running = true;
      work = std::move(stream.queue.front());
      stream.queue.pop_front();
    }
    if (work.run != nullptr) work.run(work.identity);
    MutexLock lock(mutex_);
    stream.running = false;
    if (work.record != nullptr && !lost_.contains(stream.device)) work.record->passed = true;
    bool idle = true;
    for (const auto& [number, other] : streams_) {
      const auto known = host_clock_.find(other->number);
      const auto last = other->last.find(other->number);
      idle = idle && (last == other->last.end() ||
                      (known != host_clock_.end() && known->second >= last->second));
    }
    if (idle) races_.Forget();
    news_.NotifyAll();
  }
}

uint8_t* FakeCuda::Touch(const StreamWork& work, int device, const void* address,
                         uint64_t size_bytes, bool on_device, bool write) {
  auto* const bytes = static_cast<uint8_t*>(const_cast<void*>(address));
  MutexLock lock(mutex_);
  uint8_t* const resolved = on_device ? memory_.Resolve(bytes, size_bytes, device)
                            : memory_.IsPinned(bytes, size_bytes) ? bytes
                                                                  : nullptr;
  if (resolved == nullptr) return nullptr;
  if (const auto race = races_.Touch(work, bytes, size_bytes, write)) Misuse(*race);
  return resolved;
}

void FakeCuda::Copy(const StreamWork& work, int device, uint8_t* to, const uint8_t* from,
                    uint64_t size_bytes, CudaCopy direction) {
  const uint8_t* const source =
      Touch(work, device, from, size_bytes, direction != CudaCopy::kHostToDevice, false);
  uint8_t* const target =
      Touch(work, device, to, size_bytes, direction != CudaCopy::kDeviceToHost, true);
  if (source != nullptr && target != nullptr) {
    std::memcpy(target, source, size_bytes);
    return;
  }
  MutexLock lock(mutex_);
  Misuse(work.what + " touches memory that is not there (any more)");
}

void FakeCuda::Decode(const StreamWork& work, int device, const TileWork& tiles) {
  {
    MutexLock lock(mutex_);
    if (kernels_to_fail_.contains(++kernels_)) {
      ++faults_;
      lost_[device] = kCudaIllegalAddress;
      return;
    }
  }
  std::string where;
  const bool done = options_.kernel(
      tiles,
      [&](const void* address_dev, uint64_t size_bytes, bool write) {
        return Touch(work, device, address_dev, size_bytes, true, write);
      },
      &where);
  if (done) return;
  MutexLock lock(mutex_);
  Misuse(work.what + " touches memory that is not there: " + where);
}

}  // namespace ecf8::testing
