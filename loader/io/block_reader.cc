#include "loader/io/block_reader.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/io/io_uring_reader.h"
#include "loader/io/threads_reader.h"

namespace ecf8 {
namespace {

absl::StatusOr<std::unique_ptr<BlockReader>> OpenThreads(const BlockReaderOptions& options,
                                                         BlockReadSink& sink,
                                                         std::string fallback_reason) {
  try {
    return std::make_unique<ThreadsReader>(options, sink, std::move(fallback_reason));
  } catch (const std::system_error& error) {  // the only way that std::thread has to say it
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start the threads that read: ", error.what()));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockReader>> OpenBlockReader(const BlockReaderOptions& options,
                                                             BlockReadSink& sink) {
  if (options.queue_depth < 1 || options.queue_depth > kMaxQueueDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("a queue depth of ", options.queue_depth, "; 1 to ", kMaxQueueDepth));
  }
  if (options.backend == BlockReaderBackend::kThreads) return OpenThreads(options, sink, "");
  absl::StatusOr<std::unique_ptr<IoUringReader>> ring = IoUringReader::Open(options, sink);
  if (ring.ok()) return *std::move(ring);
  if (options.backend == BlockReaderBackend::kIoUring) return std::move(ring).status();
  return OpenThreads(options, sink, std::string(ring.status().message()));
}

}  // namespace ecf8
