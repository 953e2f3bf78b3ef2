#include "loader/cuda/cuda_device.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/thread.h"
#include "loader/cuda/cuda_status.h"
#include "loader/engine/cpu_job.h"
#include "loader/engine/stored_bytes.h"
#include "loader/io/block_reader.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {
namespace {

// What the policies weigh: PCIe 5's rate, and the decoder's design target. Only that copying costs
// far more than decoding matters; neither was measured here.
constexpr double kCopiedBytesPerSecond = 50e9;
constexpr double kDecodedBytesPerSecond = 1e12;
// Two of them fill a flight: with less on its way at once the bus waits between flights.
constexpr uint64_t kHostJobBytes = 2 * kMaxReadBytes;
// Jobs beyond those in flights, so that a flight that lands finds work prepared.
constexpr size_t kQueuedPerFlight = 2;

size_t ThreadCount(const CudaDeviceOptions& options) {
  return options.threads > 0 ? static_cast<size_t>(options.threads)
                             : std::max(1u, std::thread::hardware_concurrency());
}

GpuOptions GpuOptionsOf(const CudaDeviceOptions& options, int device) {
  return {.device = device, .flights = options.flights, .staging_bytes = options.staging_bytes};
}

DeviceInfo InfoOf(const CudaDeviceOptions& options) {
  std::string name = "cuda:";
  for (const int device : options.devices) {
    absl::StrAppend(&name, name.back() == ':' ? "" : ",", device);
  }
  const size_t gpus = options.devices.size();
  return {.name = std::move(name),
          .queue_depth = gpus * static_cast<size_t>(options.flights) * kQueuedPerFlight,
          .host_job_bytes = std::min<uint64_t>(kHostJobBytes, options.staging_bytes),
          .frames_job_bytes = std::numeric_limits<uint64_t>::max(),  // a unit is one launch
          .host_scratch_bytes = gpus * Gpu::PinnedBytes(GpuOptionsOf(options, 0)) +
                                ThreadCount(options) * kChunkWeights,
          .costs = {.copy_seconds_per_stored_byte =
                        1 / (kCopiedBytesPerSecond * static_cast<double>(gpus)),
                    .decode_seconds_per_decoded_byte =
                        1 / (kDecodedBytesPerSecond * static_cast<double>(gpus))}};
}

absl::Status CheckDevices(CudaCalls& cuda, const std::vector<int>& devices) {
  int count = 0;
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda, cuda.GetDeviceCount(&count), "cudaGetDeviceCount", devices.front()));
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i] < 0 || devices[i] >= count) {
      return absl::InvalidArgumentError(absl::StrCat("there is no ", CudaDeviceName(devices[i]),
                                                     ": CUDA sees ", count, " of them"));
    }
    for (size_t k = 0; k < i; ++k) {
      if (devices[k] == devices[i]) {
        return absl::InvalidArgumentError(
            absl::StrCat(CudaDeviceName(devices[i]), " is named twice"));
      }
      for (const auto& [from, to] :
           {std::pair(devices[i], devices[k]), std::pair(devices[k], devices[i])}) {
        bool can = false;
        ECF8_RETURN_IF_ERROR(
            CudaStatus(cuda, cuda.CanAccessPeer(from, to, &can), "cudaDeviceCanAccessPeer", from));
        if (!can) {
          return absl::InvalidArgumentError(
              absl::StrCat(CudaDeviceName(from), " cannot reach the memory of ", CudaDeviceName(to),
                           ": they cannot be one device"));
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::Create(const CudaDeviceOptions& options,
                                                               CudaCalls& cuda, DeviceSink& sink) {
  ECF8_RETURN_IF_ERROR(CheckDevices(cuda, options.devices));
  std::unique_ptr<CudaDevice> device(new CudaDevice(cuda, sink, options));
  // The first call that needs the device at all, and the memory it takes besides.
  for (const int number : options.devices) {
    ECF8_RETURN_IF_ERROR(CudaStatus(cuda, cuda.SetDevice(number), "cudaSetDevice", number));
  }
  ECF8_ASSIGN_OR_RETURN(device->slots_,
                        DeviceMemory::Create(cuda, {.size_bytes = options.slot_budget_bytes,
                                                    .block_bytes = kSlotPageBytes,
                                                    .resizable = true,
                                                    .devices = options.devices}));
  ECF8_ASSIGN_OR_RETURN(device->frames_,
                        DeviceMemory::Create(cuda, {.size_bytes = options.frame_budget_bytes,
                                                    .block_bytes = kDeviceFrameBytes,
                                                    .devices = options.devices}));
  for (const int number : options.devices) {
    ECF8_ASSIGN_OR_RETURN(
        std::unique_ptr<Gpu> gpu,
        Gpu::Create(cuda, GpuOptionsOf(options, number), device->pinned_, *device->frames_,
                    [device = device.get()](std::unique_ptr<CudaJob> job) {
                      device->Done(std::move(job));
                    }));
    device->gpus_.push_back(std::move(gpu));
  }
  ECF8_ASSIGN_OR_RETURN(device->runs_, CudaSlotRuns::Create(cuda, options.devices, *device->slots_,
                                                            *device->gpus_.front()));
  ECF8_RETURN_IF_ERROR(device->StartThreads(options));
  return device;
}

CudaDevice::CudaDevice(CudaCalls& cuda, DeviceSink& sink, const CudaDeviceOptions& options)
    : cuda_(cuda),
      sink_(sink),
      devices_(options.devices),
      thread_count_(ThreadCount(options)),
      info_(InfoOf(options)),
      pinned_(cuda) {}

absl::Status CudaDevice::StartThreads(const CudaDeviceOptions& options) {
  for (size_t i = 0; i < thread_count_; ++i) {
    ECF8_ASSIGN_OR_RETURN(std::thread thread,
                          StartThread("no thread for checksums", [this] { Run(); }));
    threads_.push_back(std::move(thread));
    if (!options.cores.empty()) {
      ECF8_RETURN_IF_ERROR(PinThread(threads_.back(), options.cores[i % options.cores.size()]));
    }
  }
  return absl::OkStatus();
}

CudaDevice::~CudaDevice() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    work_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  runs_.reset();
  gpus_.clear();  // with all jobs
}

bool CudaDevice::TrySubmit(DeviceJob job) {
  MutexLock lock(mutex_);
  if (jobs_ == info_.queue_depth) return false;
  ++jobs_;
  queue_.push_back(job);
  work_.NotifyOne();
  return true;
}

void CudaDevice::RegisterHostMemory(absl::Span<uint8_t> memory) {
  if (cuda_.SetDevice(devices_.front()) != kCudaSuccess) return;
  // A hint: memory that cannot be pinned goes through the flights' own.
  pinned_.Add(memory, devices_.front()).IgnoreError();
}

absl::Status CudaDevice::ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) {
  while (!out.empty()) {
    const uint64_t size = std::min<uint64_t>(out.size(), slots_->BytesOnDevice(from_dev));
    ECF8_RETURN_IF_ERROR(GpuOfSlot(from_dev).ReadSlot(from_dev, out.first(size)));
    from_dev += size;
    out.remove_prefix(size);
  }
  return absl::OkStatus();
}

void CudaDevice::Run() {
  std::vector<uint8_t> scratch;
  while (true) {
    auto job = std::make_unique<CudaJob>();
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !ending_) work_.Wait(lock);
      if (queue_.empty()) return;
      job->job = queue_.front();
      queue_.pop_front();
    }
    Prepare(std::move(job), &scratch);
  }
}

void CudaDevice::Prepare(std::unique_ptr<CudaJob> job, std::vector<uint8_t>* scratch) {
  const DeviceJob& asked = job->job;
  job->done.tag = asked.tag;
  if (asked.tables != nullptr) {
    job->tables = &static_cast<const CpuTables*>(asked.tables)->tables;
  }
  const int64_t begin_ns = NowNs();
  if (asked.verify) {
    for (size_t i = 0; i < asked.parts.size() && job->done.status.ok(); ++i) {
      const UnitPart& part = asked.parts[i];
      if (Xxh3(SliceOf(*asked.host, part.stored_offset_bytes, part.stored_size_bytes, scratch)) !=
          part.xxh3) {
        job->Fail(i, absl::DataLossError("does not match its checksum"));
      }
    }
  }
  job->done.times.verify_ns = NowNs() - begin_ns;
  if (job->done.status.ok()) {
    const absl::Status status = PrepareTables(*job, scratch);
    if (!status.ok()) job->Fail(0, status);
  }
  const bool copies = asked.host != nullptr && asked.frames_dev != nullptr;
  const bool decodes = asked.slot_dev != nullptr && !asked.parts.back().is_tables();
  if (!job->done.status.ok() || !(copies || decodes)) return Done(std::move(job));
  GpuOf(asked).Submit(std::move(job));
}

// Of a job that begins with the tables, or overwrites frames.
absl::Status CudaDevice::PrepareTables(CudaJob& job, std::vector<uint8_t>* scratch) {
  const DeviceJob& asked = job.job;
  const UnitPart& first = asked.parts.front();
  absl::Span<const uint8_t> stored;
  if (asked.host != nullptr && first.is_tables()) {
    stored = SliceOf(*asked.host, first.stored_offset_bytes, first.stored_size_bytes, scratch);
  }
  if (asked.host != nullptr && asked.frames_dev != nullptr) RememberTables(asked, stored);
  if (!first.is_tables() || asked.slot_dev == nullptr) return absl::OkStatus();
  if (asked.host == nullptr) {
    *scratch = frame_tables_.Get(asked.frames_dev->front().data());
    stored = *scratch;
  }
  absl::StatusOr<UnitTables> parsed = ParseUnitTables(*asked.unit, stored);
  if (!parsed.ok()) return parsed.status();
  auto tables = std::make_unique<CpuTables>(*std::move(parsed));
  job.tables = &tables->tables;
  job.done.tables = std::move(tables);
  return absl::OkStatus();
}

void CudaDevice::RememberTables(const DeviceJob& job, absl::Span<const uint8_t> stored) {
  for (const UnitPart& part : job.parts) {
    for (const absl::Span<uint8_t> run :
         SliceExtents(*job.frames_dev, part.stored_offset_bytes, part.stored_size_bytes)) {
      frame_tables_.Forget(run);
    }
  }
  if (!stored.empty()) frame_tables_.Put(job.frames_dev->front().data(), stored);
}

Gpu& CudaDevice::GpuOfSlot(const uint8_t* at_dev) {
  return *gpus_[static_cast<size_t>(
      std::find(devices_.begin(), devices_.end(), slots_->DeviceOf(at_dev)) - devices_.begin())];
}

Gpu& CudaDevice::GpuOf(const DeviceJob& job) {
  if (job.slot_dev != nullptr) return GpuOfSlot(job.slot_dev);
  return *gpus_[static_cast<size_t>(std::find(devices_.begin(), devices_.end(),
                                              frames_->DeviceOf(job.frames_dev->front().data())) -
                                    devices_.begin())];
}

void CudaDevice::Done(std::unique_ptr<CudaJob> job) {
  {
    MutexLock lock(mutex_);
    --jobs_;  // before the sink hears of it: it may make room for another
  }
  if (!job->done.status.ok()) job->done.tables.reset();
  sink_.OnJobDone(std::move(job->done));
}

}  // namespace ecf8
