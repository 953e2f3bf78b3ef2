#include "loader/cuda/gpu.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/thread.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {
namespace {

// Short beside the 75 us that a copy of 4 MiB takes over PCIe 5.
constexpr std::chrono::microseconds kPoll(20);

}  // namespace

uint64_t Gpu::PinnedBytes(const GpuOptions& options) {
  return static_cast<uint64_t>(options.flights) * (options.staging_bytes + Flight::PinnedBytes()) +
         SlotReader::kPinnedBytes;
}

Gpu::Gpu(CudaCalls& cuda, int device, JobSink done)
    : cuda_(cuda), device_(device), done_(std::move(done)) {}

absl::StatusOr<std::unique_ptr<Gpu>> Gpu::Create(CudaCalls& cuda, const GpuOptions& options,
                                                 const PinnedRanges& pinned,
                                                 const DeviceMemory& frames, JobSink done) {
  const int device = options.device;
  std::unique_ptr<Gpu> gpu(new Gpu(cuda, device, std::move(done)));
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda, cuda.SetDevice(device), "cudaSetDevice", device));
  ECF8_ASSIGN_OR_RETURN(gpu->copy_stream_, MakeStream(cuda, device));
  ECF8_ASSIGN_OR_RETURN(gpu->decode_stream_, MakeStream(cuda, device));
  FlightPath path{.cuda = &cuda,
                  .device = device,
                  .copy_stream = gpu->copy_stream_.get(),
                  .decode_stream = gpu->decode_stream_.get(),
                  .pinned = &pinned,
                  .frames = &frames};
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda, cuda.PrepareTileDecode(&path.shape),
                                  "preparing the decoder's kernel", device));
  for (int i = 0; i < options.flights; ++i) {
    ECF8_ASSIGN_OR_RETURN(std::unique_ptr<Flight> flight,
                          Flight::Create(path, options.staging_bytes));
    gpu->idle_flights_.push_back(std::move(flight));
  }
  ECF8_ASSIGN_OR_RETURN(gpu->reader_, SlotReader::Create(cuda, device));
  ECF8_ASSIGN_OR_RETURN(gpu->thread_,
                        StartThread("no thread for the GPU", [gpu = gpu.get()] { gpu->Run(); }));
  return gpu;
}

Gpu::~Gpu() {
  if (thread_.joinable()) {
    {
      MutexLock lock(mutex_);
      ending_ = true;
      news_.NotifyOne();
    }
    thread_.join();
  }
  // What is given back below is this device's. Something may be on its way yet if it counts as
  // lost.
  (void)cuda_.SetDevice(device_);
  (void)cuda_.DeviceSynchronize();
}

void Gpu::Submit(std::unique_ptr<CudaJob> job) {
  MutexLock lock(mutex_);
  submitted_.push_back(std::move(job));
  news_.NotifyOne();
}

absl::Status Gpu::ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) {
  return reader_->Read(from_dev, out);
}

absl::Status Gpu::CopySlot(const uint8_t* from_dev, absl::Span<uint8_t> to_dev) {
  return reader_->Copy(from_dev, to_dev);
}

void Gpu::Run() {
  const absl::Status status = CudaStatus(cuda_, cuda_.SetDevice(device_), "cudaSetDevice", device_);
  if (!status.ok()) Lose(status);
  while (TakeJobs()) {
    Start();
    Land();
  }
}

// Waits for jobs, or for the time to look after flights. False at the end.
bool Gpu::TakeJobs() {
  MutexLock lock(mutex_);
  const bool can_start = !jobs_.empty() && !idle_flights_.empty();
  while (submitted_.empty() && !can_start) {
    if (!in_the_air_.empty()) {
      if (!news_.WaitUntil(lock, std::chrono::steady_clock::now() + kPoll)) break;
    } else if (ending_) {
      return false;
    } else {
      news_.Wait(lock);
    }
  }
  for (std::unique_ptr<CudaJob>& job : submitted_) jobs_.push_back(std::move(job));
  submitted_.clear();
  return true;
}

void Gpu::Start() {
  while (lost_.ok() && !jobs_.empty() && !idle_flights_.empty()) {
    std::unique_ptr<Flight> flight = std::move(idle_flights_.back());
    idle_flights_.pop_back();
    Fill(*flight);
    absl::Status status = flight->Launch();
    const absl::Status sealed = flight->Seal();
    if (status.ok()) status = sealed;
    in_the_air_.push_back({std::move(flight), status, /*passed=*/false});
    if (absl::IsUnavailable(status)) return Lose(status);
    if (!sealed.ok() && !WaitForAll()) return;
  }
  if (!lost_.ok()) Lose(lost_);  // jobs that have come since
}

// Where no event tells when the last flight has passed. False where the device is lost.
bool Gpu::WaitForAll() {
  const absl::Status status =
      CudaStatus(cuda_, cuda_.DeviceSynchronize(), "cudaDeviceSynchronize", device_);
  if (!status.ok()) {
    Lose(status);
    return false;
  }
  in_the_air_.back().passed = true;
  return true;
}

void Gpu::Fill(Flight& flight) {
  while (!jobs_.empty() && flight.TakeParts(jobs_.front().get())) {
    taken_jobs_.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
}

void Gpu::Land() {
  size_t landed = 0;
  for (size_t i = 0; i < in_the_air_.size(); ++i) {
    const CudaError error = in_the_air_[i].passed ? kCudaSuccess : in_the_air_[i].flight->Query();
    if (error == kCudaNotReady) break;  // they pass in the order of the decode stream
    if (error != kCudaSuccess) {
      return Lose(CudaStatus(cuda_, error, "cudaEventQuery", device_));
    }
    ++landed;
  }
  for (; landed > 0; --landed) {
    Launched launched = std::move(in_the_air_.front());
    in_the_air_.pop_front();
    const std::vector<CudaJob*> jobs = launched.flight->Finish(launched.status);
    idle_flights_.push_back(std::move(launched.flight));
    GiveBack(jobs);
  }
}

// Those of the jobs that are done.
void Gpu::GiveBack(const std::vector<CudaJob*>& jobs) {
  for (CudaJob* const job : jobs) {
    if (!job->all_taken() || job->flights > 0) continue;
    // A job that failed while a flight was filled with it may still be first in the queue.
    if (!jobs_.empty() && jobs_.front().get() == job) {
      std::unique_ptr<CudaJob> failed = std::move(jobs_.front());
      jobs_.pop_front();
      done_(std::move(failed));
      continue;
    }
    const auto taken =
        std::find_if(taken_jobs_.begin(), taken_jobs_.end(),
                     [job](const std::unique_ptr<CudaJob>& other) { return other.get() == job; });
    std::unique_ptr<CudaJob> finished = std::move(*taken);
    taken_jobs_.erase(taken);
    done_(std::move(finished));
  }
}

// All jobs fail, these and those to come. What the flights use stays theirs: it may be written to
// yet.
void Gpu::Lose(const absl::Status& why) {
  if (lost_.ok()) {
    lost_ =
        absl::UnavailableError(absl::StrCat(CudaDeviceName(device_), " is lost: ", why.message()));
    reader_->Lose(lost_);
  }
  for (Launched& launched : in_the_air_) {
    launched.flight->Abandon();
    idle_flights_.push_back(std::move(launched.flight));
  }
  in_the_air_.clear();
  std::vector<std::unique_ptr<CudaJob>> failed = std::exchange(taken_jobs_, {});
  for (std::unique_ptr<CudaJob>& job : jobs_) failed.push_back(std::move(job));
  jobs_.clear();
  for (std::unique_ptr<CudaJob>& job : failed) {
    job->done.status = lost_;
    job->done.bad_part = 0;
    done_(std::move(job));
  }
}

}  // namespace ecf8
