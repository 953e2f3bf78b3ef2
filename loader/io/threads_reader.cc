#include "loader/io/threads_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace ecf8 {
namespace {

// A thread for each read in flight, up to what keeps any disk busy with large reads.
constexpr uint32_t kMaxThreads = 16;

}  // namespace

ThreadsReader::ThreadsReader(const BlockReaderOptions& options, BlockReadSink& sink,
                             std::string fallback_reason)
    : queue_depth_(options.queue_depth),
      fallback_reason_(std::move(fallback_reason)),
      calls_(options.calls != nullptr ? *options.calls : ReadCalls::System()),
      sink_(sink),
      files_(options.direct_io, calls_),
      pool_(static_cast<int>(std::min(queue_depth_, kMaxThreads)), queue_depth_) {}

// The pool's destructor runs what was taken; it is all cancelled.
ThreadsReader::~ThreadsReader() { ending_ = true; }

absl::StatusOr<uint32_t> ThreadsReader::AddFile(const std::string& path, std::string_view name) {
  return files_.Add(path, name);
}

void ThreadsReader::RemoveFile(uint32_t file) { files_.Remove(file); }

void ThreadsReader::RegisterMemory(absl::Span<uint8_t> /*memory*/) {}

bool ThreadsReader::TrySubmit(const BlockRead& read) {
  // Counted only where there is room: a count that is taken back would refuse others meanwhile.
  uint32_t in_flight = in_flight_.load();
  do {
    if (in_flight >= queue_depth_) return false;
  } while (!in_flight_.compare_exchange_weak(in_flight, in_flight + 1));
  const BlockFile& file = files_.Get(read.file);
  const bool taken = pool_.TrySubmit(
      [this, &file, progress = ReadProgress(read, file.direct())] { Read(progress, file); });
  if (!taken) in_flight_.fetch_sub(1);
  return taken;
}

BlockReaderInfo ThreadsReader::info() const {
  BlockReaderInfo info;
  info.kind = "threads";
  info.fallback_reason = fallback_reason_;
  info.queue_depth = queue_depth_;
  info.in_flight = in_flight_;
  info.direct_files = files_.direct_count();
  info.buffered_files = files_.buffered_count();
  info.registration_problem = "pread knows no registered memory";
  counters_.CopyTo(info);
  return info;
}

void ThreadsReader::Read(ReadProgress progress, const BlockFile& file) {
  std::optional<absl::Status> status;
  for (bool first = true; !status.has_value(); first = false) {
    if (ending_) {
      status = absl::CancelledError("the reader is ending");
      break;
    }
    if (!first) counters_.CountRetry();
    status = progress.OnResult(calls_.Read(file.fd(), progress.memory(), progress.offset_bytes()),
                               file.name());
  }
  counters_.CountDone(*status, progress.read().size_bytes);
  in_flight_.fetch_sub(1);
  const BlockReadDone done{progress.read().tag, *std::move(status)};
  sink_.OnReadsDone(absl::MakeConstSpan(&done, 1));
}

}  // namespace ecf8
