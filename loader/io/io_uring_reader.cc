#include "loader/io/io_uring_reader.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/thread.h"

namespace ecf8 {
namespace {

// The eventfd's request; reads have their slots' numbers.
constexpr uint64_t kWakeId = ~uint64_t{0};

}  // namespace

absl::StatusOr<std::unique_ptr<IoUringReader>> IoUringReader::Open(
    const BlockReaderOptions& options, BlockReadSink& sink) {
  ReadCalls& calls = options.calls != nullptr ? *options.calls : ReadCalls::System();
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Open(options.queue_depth + 1, calls);
  if (!ring.ok()) return std::move(ring).status();
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC);
  if (wake_fd < 0) return ErrnoStatus(errno, "cannot create an eventfd");
  std::unique_ptr<IoUringReader> reader(
      new IoUringReader(options, calls, *std::move(ring), wake_fd, sink));
  ECF8_ASSIGN_OR_RETURN(reader->thread_, StartThread("cannot start the ring's thread",
                                                     [raw = reader.get()] { raw->Run(); }));
  return reader;
}

IoUringReader::IoUringReader(const BlockReaderOptions& options, ReadCalls& calls,
                             std::unique_ptr<Ring> ring, int wake_fd, BlockReadSink& sink)
    : queue_depth_(options.queue_depth),
      calls_(calls),
      sink_(sink),
      files_(options.direct_io, calls),
      wake_fd_(wake_fd),
      ring_(std::move(ring)),
      slots_(queue_depth_) {
  for (uint32_t slot = 0; slot < queue_depth_; ++slot) free_slots_.push_back(slot);
  inbox_.reserve(queue_depth_);
  taken_.reserve(queue_depth_);
}

IoUringReader::~IoUringReader() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    asleep_ = true;  // so that it is woken in any case: Run waits for this last wake-up
    Wake();
  }
  if (thread_.joinable()) thread_.join();
  ring_.reset();
  ::close(wake_fd_);
}

absl::StatusOr<uint32_t> IoUringReader::AddFile(const std::string& path, std::string_view name) {
  absl::StatusOr<uint32_t> file = files_.Add(path, name);
  if (file.ok()) RunOnRing([&] { ring_->RegisterFile(*file, files_.Get(*file)); });
  return file;
}

void IoUringReader::RemoveFile(uint32_t file) {
  RunOnRing([&] { ring_->UnregisterFile(file); });
  files_.Remove(file);
}

void IoUringReader::RegisterMemory(absl::Span<uint8_t> memory) {
  // A piece at a time: reads go on between them.
  while (!memory.empty()) {
    const absl::Span<uint8_t> piece = memory.subspan(0, kMaxRegisteredBufferBytes);
    RunOnRing([&] { RegisterPiece(piece); });
    memory.remove_prefix(piece.size());
  }
}

void IoUringReader::RegisterPiece(absl::Span<uint8_t> piece) {
  const absl::Status status = ring_->RegisterBuffer(piece);
  MutexLock lock(mutex_);
  if (status.ok()) {
    registered_bytes_ += piece.size();
  } else {
    registration_problem_ = std::string(status.message());
  }
}

bool IoUringReader::TrySubmit(const BlockRead& read) {
  const BlockFile& file = files_.Get(read.file);
  MutexLock lock(mutex_);
  if (in_flight_ == queue_depth_) return false;
  ++in_flight_;
  inbox_.push_back({ReadProgress(read, file.direct()), &file});
  Wake();
  return true;
}

BlockReaderInfo IoUringReader::info() const {
  BlockReaderInfo info;
  info.kind = "io_uring";
  info.queue_depth = queue_depth_;
  info.direct_files = files_.direct_count();
  info.buffered_files = files_.buffered_count();
  counters_.CopyTo(info);
  MutexLock lock(mutex_);
  info.in_flight = in_flight_;
  info.registered_bytes = registered_bytes_;
  info.registration_problem = registration_problem_;
  return info;
}

void IoUringReader::Wake() {
  if (!asleep_) return;
  asleep_ = false;
  const uint64_t one = 1;
  // It can only fail with 2^64 - 1 unread wake-ups.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
}

void IoUringReader::RunOnRing(std::function<void()> run) {
  Command command{std::move(run)};
  MutexLock lock(mutex_);
  commands_.push_back(&command);
  Wake();
  while (!command.done) command_done_.Wait(lock);
}

void IoUringReader::Run() {
  ring_->Start();
  while (true) {
    stopping_ = TakeInbox();
    RunCommands();
    StartTaken();
    if (stopping_ && free_slots_.size() == queue_depth_ && !wake_armed_) break;
    if (!wake_armed_ && !stopping_) {
      ring_->ReadEvent(kWakeId, wake_fd_, &wake_value_);
      wake_armed_ = true;
    }
    ring_->Wait(completions_);
    for (const Ring::Completion& completion : completions_) OnCompletion(completion);
    TellSink();
  }
  TellSink();
}

bool IoUringReader::TakeInbox() {
  MutexLock lock(mutex_);
  taken_.swap(inbox_);
  taken_commands_.swap(commands_);
  asleep_ = true;
  return ending_;
}

void IoUringReader::RunCommands() {
  if (taken_commands_.empty()) return;
  for (Command* command : taken_commands_) command->run();
  MutexLock lock(mutex_);
  for (Command* command : taken_commands_) command->done = true;
  taken_commands_.clear();
  command_done_.NotifyAll();
}

void IoUringReader::StartTaken() {
  for (const Flight& flight : taken_) {
    if (stopping_) {
      Complete(flight, absl::CancelledError("the reader is ending"));
      continue;
    }
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = flight;
    Request(slot);
  }
  taken_.clear();
}

void IoUringReader::Request(uint32_t slot) {
  const Flight& flight = *slots_[slot];
  ring_->Read(slot, flight.progress.read().file, *flight.file, flight.progress.memory(),
              flight.progress.offset_bytes());
}

void IoUringReader::OnCompletion(const Ring::Completion& completion) {
  if (completion.id == kWakeId) {
    wake_armed_ = false;
    return;
  }
  const auto slot = static_cast<uint32_t>(completion.id);
  Flight& flight = *slots_[slot];
  ReadProgress& progress = flight.progress;
  const int64_t result =
      calls_.RingResult(completion.result, progress.offset_bytes(), progress.memory().size());
  std::optional<absl::Status> status = progress.OnResult(result, flight.file->name());
  if (!status.has_value() && !stopping_) {
    counters_.CountRetry();
    Request(slot);
    return;
  }
  if (!status.has_value()) status = absl::CancelledError("the reader is ending");
  Complete(flight, *std::move(status));
  slots_[slot].reset();
  free_slots_.push_back(slot);
}

void IoUringReader::Complete(const Flight& flight, absl::Status status) {
  const BlockRead& read = flight.progress.read();
  counters_.CountDone(status, read.size_bytes);
  done_.push_back({read.tag, std::move(status)});
}

void IoUringReader::TellSink() {
  if (done_.empty()) return;
  {
    MutexLock lock(mutex_);
    in_flight_ -= static_cast<uint32_t>(done_.size());
    asleep_ = false;  // the inbox is looked at before the next sleep
  }
  sink_.OnReadsDone(done_);
  done_.clear();
}

}  // namespace ecf8
