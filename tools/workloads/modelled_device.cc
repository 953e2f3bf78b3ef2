#include "tools/workloads/modelled_device.h"

#include <errno.h>
#include <sys/mman.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/base/thread.h"
#include "loader/io/block_reader.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {
namespace {

// As the device of CUDA has them.
constexpr size_t kQueueDepth = 8;
constexpr uint64_t kHostJobBytes = 2 * kMaxReadBytes;
constexpr uint64_t kFramesJobBytes = uint64_t{1} << 62;  // a unit is one launch
constexpr double kCopiedBytesPerSecond = 50e9;
constexpr double kDecodedBytesPerSecond = 1e12;

struct NoTables final : DeviceTables {};

}  // namespace

absl::StatusOr<std::unique_ptr<ModelledDevice>> ModelledDevice::Create(
    const ModelledDeviceOptions& options, DeviceSink& sink) {
  std::unique_ptr<ModelledDevice> device(new ModelledDevice(options, sink));
  const uint64_t pages = options.slot_bytes / kSlotPageBytes;
  ECF8_RETURN_IF_ERROR(device->slots_.Make("ecf8-slots", pages * kSlotPageBytes));
  ECF8_RETURN_IF_ERROR(device->generations_.Make(
      "ecf8-generations", RoundUp(pages * sizeof(SlotGeneration), kDeviceMemoryAlignment)));
  const uint64_t frame_bytes = options.frame_bytes / kDeviceFrameBytes * kDeviceFrameBytes;
  if (frame_bytes > 0) {
    void* const memory =
        mmap(nullptr, frame_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return ErrnoStatus(errno, "cannot map the device's frames");
    device->frames_ = {static_cast<uint8_t*>(memory), frame_bytes};
  }
  ECF8_ASSIGN_OR_RETURN(device->thread_, StartThread("no thread for the device",
                                                     [device = device.get()] { device->Run(); }));
  return device;
}

ModelledDevice::ModelledDevice(const ModelledDeviceOptions& options, DeviceSink& sink)
    : sink_(sink),
      info_{.name = "modelled",
            .queue_depth = kQueueDepth,
            .host_job_bytes = kHostJobBytes,
            .frames_job_bytes = kFramesJobBytes,
            .costs = {.copy_seconds_per_stored_byte = 1 / kCopiedBytesPerSecond,
                      .decode_seconds_per_decoded_byte = 1 / kDecodedBytesPerSecond}},
      bus_(options.bus_rate),
      decoder_(options.decode_rate) {}

ModelledDevice::~ModelledDevice() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    news_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
  if (!frames_.empty()) munmap(frames_.data(), frames_.size());
}

SharedSlots ModelledDevice::shared_slots() const {
  // Zeroed memory is counters of 0, as in the host device.
  auto* const counters = reinterpret_cast<SlotGeneration*>(generations_.bytes().data());
  return {.slot_fd = slots_.fd(),
          .slot_bytes = slots_.bytes().size(),
          .generation_fd = generations_.fd(),
          .generation_bytes = generations_.bytes().size(),
          .generations = {counters, slots_.bytes().size() / kSlotPageBytes}};
}

absl::Status ModelledDevice::ReadSlot(const uint8_t* /*from_dev*/, absl::Span<uint8_t> out) {
  std::fill(out.begin(), out.end(), uint8_t{0});
  return absl::OkStatus();
}

bool ModelledDevice::TrySubmit(DeviceJob job) {
  uint64_t stored_bytes = 0;
  uint64_t decoded_bytes = 0;
  bool tables = false;
  for (const UnitPart& part : job.parts) {
    stored_bytes += part.stored_size_bytes;
    decoded_bytes += part.decoded_size_bytes;
    tables = tables || part.is_tables();
  }
  MutexLock lock(mutex_);
  if (flights_.size() == info_.queue_depth) return false;
  Clock::time_point end = Clock::now();
  // Bytes that are only compared with their checksums stay where they are.
  const bool decodes = job.slot_dev != nullptr;
  if (job.host != nullptr && (decodes || job.frames_dev != nullptr)) {
    end = bus_.Add(end, stored_bytes);
  }
  if (decodes) end = decoder_.Add(end, decoded_bytes);
  flights_.push({.end = end, .tag = job.tag, .tables = decodes && tables});
  news_.NotifyOne();
  return true;
}

void ModelledDevice::Run() {
  while (true) {
    DeviceJobDone done;
    {
      MutexLock lock(mutex_);
      while (flights_.empty() || flights_.top().end > Clock::now()) {
        if (flights_.empty()) {
          if (ending_) return;
          news_.Wait(lock);
        } else {
          news_.WaitUntil(lock, Clock::time_point(flights_.top().end));
        }
      }
      done.tag = flights_.top().tag;
      if (flights_.top().tables) done.tables = std::make_unique<NoTables>();
      flights_.pop();
    }
    sink_.OnJobDone(std::move(done));
  }
}

void* UnreservedMemory::Map(uint64_t size_bytes, int flags) {
  // Huge pages that are reserved would be taken.
  if ((flags & MAP_HUGETLB) != 0) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return MemoryCalls::Map(size_bytes, flags | MAP_NORESERVE);
}

}  // namespace ecf8
