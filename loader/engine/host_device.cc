#include "loader/engine/host_device.h"

#include <errno.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/base/thread.h"
#include "loader/engine/cpu_job.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {
namespace {

// Queued beside each job at hand, so that a thread that is done need not wait for the loop.
constexpr size_t kQueuedPerThread = 1;
constexpr size_t kTouchBytes = 16 << 20;
// Stored bytes of a job: handing it over costs nothing beside it, and the cores share a unit.
constexpr uint64_t kJobBytes = 2 << 20;
// About what a core decodes. Copies save nothing: threads decode from the arena as from frames.
constexpr double kDecodedBytesPerSecond = 2.5e9;
constexpr char kNoThread[] = "no thread for the decoder";

}  // namespace

absl::StatusOr<std::unique_ptr<HostDevice>> HostDevice::Create(const HostDeviceOptions& options,
                                                               DeviceSink& sink) {
  const size_t threads = options.threads > 0 ? static_cast<size_t>(options.threads)
                                             : std::max(1u, std::thread::hardware_concurrency());
  std::unique_ptr<HostDevice> device(new HostDevice(sink, threads));
  ECF8_RETURN_IF_ERROR(device->MapSlots(options.slot_budget_bytes));
  ECF8_RETURN_IF_ERROR(device->MapFrames(options.frame_budget_bytes));
  ECF8_RETURN_IF_ERROR(device->StartThreads(options, threads));
  return device;
}

HostDevice::HostDevice(DeviceSink& sink, size_t threads)
    : sink_(sink),
      info_{.name = "host",
            .queue_depth = threads * (1 + kQueuedPerThread),
            .host_job_bytes = kJobBytes,
            .frames_job_bytes = kJobBytes,
            .host_scratch_bytes = threads * kChunkWeights,  // each may put one chunk together
            .costs = {.decode_seconds_per_decoded_byte =
                          1 / (kDecodedBytesPerSecond * static_cast<double>(threads))}} {}

absl::Status HostDevice::MapSlots(uint64_t budget_bytes) {
  const uint64_t pages = budget_bytes / kSlotPageBytes;
  const uint64_t size_bytes = pages * kSlotPageBytes;
  ECF8_RETURN_IF_ERROR(slots_.Make("ecf8-slots", size_bytes));
  ECF8_RETURN_IF_ERROR(generations_.Make(
      "ecf8-generations", RoundUp(pages * sizeof(SlotGeneration), kDeviceMemoryAlignment)));
  if (size_bytes == 0) return absl::OkStatus();
  // A wish: shared memory has huge pages where so configured.
  madvise(slots_.bytes().data(), size_bytes, MADV_HUGEPAGE);
  return absl::OkStatus();
}

SharedSlots HostDevice::shared_slots() const {
  // Zeroed memory is counters of 0: they need no constructor that does anything.
  auto* const counters = reinterpret_cast<SlotGeneration*>(generations_.bytes().data());
  return {.slot_fd = slots_.fd(),
          .slot_bytes = slots_.bytes().size(),
          .generation_fd = generations_.fd(),
          .generation_bytes = generations_.bytes().size(),
          .generations = {counters, slots_.bytes().size() / kSlotPageBytes}};
}

absl::Status HostDevice::MapFrames(uint64_t budget_bytes) {
  const uint64_t size = budget_bytes / kDeviceFrameBytes * kDeviceFrameBytes;
  if (size == 0) return absl::OkStatus();
  void* const memory =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return ErrnoStatus(errno, absl::StrCat("cannot map ", size, " bytes for the device budget"));
  }
  madvise(memory, size, MADV_HUGEPAGE);  // wishes, both
  madvise(memory, size, MADV_DONTDUMP);
  frame_memory_ = {static_cast<uint8_t*>(memory), size};
  return absl::OkStatus();
}

absl::Status HostDevice::StartThreads(const HostDeviceOptions& options, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    ECF8_ASSIGN_OR_RETURN(
        std::thread thread,
        StartThread(kNoThread, [this, lane = static_cast<uint32_t>(i)] { Run(lane); }));
    threads_.push_back(std::move(thread));
    if (!options.cores.empty()) {
      ECF8_RETURN_IF_ERROR(PinThread(threads_.back(), options.cores[i % options.cores.size()]));
    }
  }
  if (!options.touch) return absl::OkStatus();
  {
    MutexLock lock(mutex_);
    touching_ = true;
  }
  ECF8_ASSIGN_OR_RETURN(touch_thread_, StartThread(kNoThread, [this] { TouchMemory(); }));
  return absl::OkStatus();
}

void HostDevice::TouchMemory() {
  if (Touch(slots_.bytes())) Touch(frame_memory_);
  MutexLock lock(mutex_);
  touching_ = false;
  touch_ended_.NotifyAll();
}

// In steps, so that the end need not wait.
bool HostDevice::Touch(absl::Span<uint8_t> memory) {
  for (; !memory.empty(); memory.remove_prefix(std::min(kTouchBytes, memory.size()))) {
    {
      MutexLock lock(mutex_);
      if (ending_) return false;
    }
    const size_t size = std::min(kTouchBytes, memory.size());
    if (madvise(memory.data(), size, MADV_POPULATE_WRITE) != 0) return false;
  }
  return true;
}

void HostDevice::WaitUntilTouched() {
  MutexLock lock(mutex_);
  while (touching_) touch_ended_.Wait(lock);
}

HostDevice::~HostDevice() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    work_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  if (touch_thread_.joinable()) touch_thread_.join();
  if (!frame_memory_.empty()) munmap(frame_memory_.data(), frame_memory_.size());
}

bool HostDevice::TrySubmit(DeviceJob job) {
  {
    MutexLock lock(mutex_);
    if (jobs_ >= info_.queue_depth) return false;
    ++jobs_;
    queue_.push_back(job);
  }
  work_.NotifyOne();
  return true;
}

absl::Status HostDevice::ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) {
  std::copy_n(from_dev, out.size(), out.begin());
  return absl::OkStatus();
}

void HostDevice::Run(uint32_t lane) {
  std::vector<uint8_t> scratch;
  while (true) {
    DeviceJob job;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !ending_) work_.Wait(lock);
      if (queue_.empty()) return;
      job = queue_.front();
      queue_.pop_front();
    }
    DeviceJobDone done = RunOnCpu(job, &scratch);
    done.lane = lane;
    --jobs_;  // before the sink hears of it: it may make room for another
    sink_.OnJobDone(std::move(done));
  }
}

}  // namespace ecf8
