#include "tests/support/fake_cuda/fake_cuda.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "loader/cuda/cuda_status.h"

namespace ecf8::testing {
namespace {

// A misuse that CUDA itself would answer with an error.
constexpr CudaError kRefused = kCudaInvalidValue;

}  // namespace

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

CudaError FakeCuda::Malloc(uint64_t size_bytes, uint8_t** memory_dev) {
  MutexLock lock(mutex_);
  const int device = CurrentDevice("Malloc");
  CheckIdle("Malloc");
  if (const CudaError error = Begin("Malloc")) return error;
  if (memory_.used_bytes(device) + size_bytes > options_.memory_bytes) return kCudaOutOfMemory;
  *memory_dev = memory_.Allocate(device, size_bytes);
  return kCudaSuccess;
}

CudaError FakeCuda::Free(uint8_t* memory_dev) {
  MutexLock lock(mutex_);
  CheckIdle("Free");
  if (!memory_.Free(memory_dev)) Misuse("Free of what is not allocated");
  return Begin("Free");
}

CudaError FakeCuda::HostAlloc(uint64_t size_bytes, uint8_t** memory) {
  MutexLock lock(mutex_);
  CurrentDevice("HostAlloc");
  CheckIdle("HostAlloc");
  if (const CudaError error = Begin("HostAlloc")) return error;
  *memory = memory_.AllocateHost(size_bytes);
  return kCudaSuccess;
}

CudaError FakeCuda::FreeHost(uint8_t* memory) {
  MutexLock lock(mutex_);
  CheckIdle("FreeHost");
  if (!memory_.FreeHost(memory)) Misuse("FreeHost of what is not allocated");
  return Begin("FreeHost");
}

CudaError FakeCuda::HostRegister(uint8_t* memory, uint64_t size_bytes) {
  MutexLock lock(mutex_);
  CurrentDevice("HostRegister");
  if (const CudaError error = Begin("HostRegister")) return error;
  if (memory_.Register(memory, size_bytes)) return kCudaSuccess;
  Misuse("HostRegister of a page that is pinned already");
  return kRefused;
}

CudaError FakeCuda::HostUnregister(uint8_t* memory) {
  MutexLock lock(mutex_);
  CheckIdle("HostUnregister");
  if (!memory_.Unregister(memory)) Misuse("HostUnregister of what is not registered");
  return Begin("HostUnregister");
}

CudaError FakeCuda::MemGetAllocationGranularity(int /*device*/, bool /*exportable*/,
                                                uint64_t* size_bytes) {
  MutexLock lock(mutex_);
  *size_bytes = kFakeGranularityBytes;
  return Begin("MemGetAllocationGranularity");
}

CudaError FakeCuda::MemAddressReserve(uint64_t size_bytes, uint8_t** address_dev) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemAddressReserve")) return error;
  *address_dev = memory_.Reserve(size_bytes);
  return *address_dev == nullptr ? kRefused : kCudaSuccess;
}

CudaError FakeCuda::MemAddressFree(uint8_t* address_dev, uint64_t size_bytes) {
  MutexLock lock(mutex_);
  if (!memory_.Unreserve(address_dev, size_bytes)) Misuse("MemAddressFree of what is in use");
  return Begin("MemAddressFree");
}

CudaError FakeCuda::MemCreate(int device, uint64_t size_bytes, bool exportable,
                              CudaMemoryHandle* handle) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemCreate")) return error;
  if (!options_.virtual_memory || (exportable && !options_.exports_handles)) {
    return kCudaNotSupported;
  }
  if (size_bytes % kFakeGranularityBytes != 0) return kRefused;
  if (memory_.used_bytes(device) + size_bytes > options_.memory_bytes) return kCudaOutOfMemory;
  *handle = memory_.CreateHandle(device, size_bytes);
  return kCudaSuccess;
}

CudaError FakeCuda::MemRelease(CudaMemoryHandle handle) {
  MutexLock lock(mutex_);
  if (!memory_.ReleaseHandle(handle)) Misuse("MemRelease of no handle");
  return Begin("MemRelease");
}

CudaError FakeCuda::MemMap(uint8_t* address_dev, uint64_t size_bytes, CudaMemoryHandle handle) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemMap")) return error;
  return memory_.Map(address_dev, size_bytes, handle) ? kCudaSuccess : kRefused;
}

CudaError FakeCuda::MemUnmap(uint8_t* address_dev, uint64_t size_bytes) {
  MutexLock lock(mutex_);
  CheckIdle("MemUnmap");
  if (!memory_.Unmap(address_dev, size_bytes)) Misuse("MemUnmap of what is not mapped");
  return Begin("MemUnmap");
}

CudaError FakeCuda::MemSetAccess(uint8_t* address_dev, uint64_t size_bytes,
                                 const std::vector<int>& devices) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemSetAccess")) return error;
  return memory_.SetAccess(address_dev, size_bytes, devices) ? kCudaSuccess : kRefused;
}

CudaError FakeCuda::MemExportToShareableHandle(CudaMemoryHandle handle, int* fd) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemExportToShareableHandle")) return error;
  *fd = memory_.Export(handle);
  return *fd < 0 ? kRefused : kCudaSuccess;
}

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
