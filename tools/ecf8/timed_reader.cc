#include "tools/ecf8/timed_reader.h"

#include <cassert>
#include <chrono>
#include <utility>

#include "decoder/status_macros.h"

namespace ecf8 {

absl::StatusOr<std::unique_ptr<TimedReader>> TimedReader::Open(const std::string& path,
                                                               const BlockReaderOptions& options) {
  std::unique_ptr<TimedReader> timed(new TimedReader());  // its constructor is private
  const uint64_t buffer_bytes = uint64_t{options.queue_depth} * kMaxReadBytes;
  ECF8_ASSIGN_OR_RETURN(timed->arena_,
                        Arena::Create({.budget_bytes = buffer_bytes, .lock = false}));
  ECF8_ASSIGN_OR_RETURN(timed->reader_, OpenBlockReader(options, *timed));
  ECF8_ASSIGN_OR_RETURN(timed->file_, timed->reader_->AddFile(path, "the file"));
  ECF8_RETURN_IF_ERROR(timed->arena_->StartTouching(1, nullptr));
  timed->arena_->WaitUntilTouched();
  timed->reader_->RegisterMemory(timed->arena_->memory());
  timed->queue_depth_ = options.queue_depth;
  for (uint32_t i = 0; i < options.queue_depth; ++i) timed->free_buffers_.push_back(i);
  return timed;
}

absl::StatusOr<double> TimedReader::Read(uint64_t size_bytes) {
  assert(free_buffers_.size() == queue_depth_);
  const auto begin = std::chrono::steady_clock::now();
  uint64_t offset = 0;
  uint32_t in_flight = 0;
  absl::Status failure;
  while (in_flight > 0 || (offset < size_bytes && failure.ok())) {
    while (offset < size_bytes && failure.ok() && !free_buffers_.empty()) {
      const uint32_t buffer = free_buffers_.back();
      if (!reader_->TrySubmit({.file = file_,
                               .offset_bytes = offset,
                               .data = arena_->memory().data() + uint64_t{buffer} * kMaxReadBytes,
                               .size_bytes = kMaxReadBytes,
                               .tag = buffer})) {
        break;
      }
      free_buffers_.pop_back();
      offset += kMaxReadBytes;
      ++in_flight;
    }
    in_flight -= WaitForSome(failure);
  }
  ECF8_RETURN_IF_ERROR(failure);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(size_bytes) / elapsed.count() / 1e9;
}

void TimedReader::OnReadsDone(absl::Span<const BlockReadDone> done) {
  MutexLock lock(mutex_);
  done_.insert(done_.end(), done.begin(), done.end());
  changed_.NotifyOne();
}

uint32_t TimedReader::WaitForSome(absl::Status& failure) {
  std::vector<BlockReadDone> done;
  {
    MutexLock lock(mutex_);
    while (done_.empty()) changed_.Wait(lock);
    done.swap(done_);
  }
  for (const BlockReadDone& read : done) {
    failure.Update(read.status);
    free_buffers_.push_back(static_cast<uint32_t>(read.tag));
  }
  return static_cast<uint32_t>(done.size());
}

}  // namespace ecf8
