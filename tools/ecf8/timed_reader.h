// Our block reader as a bench uses it: a file from its start to its end, as fast as it goes.
#ifndef ECF8_TOOLS_ECF8_TIMED_READER_H_
#define ECF8_TOOLS_ECF8_TIMED_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/io/block_reader.h"
#include "loader/memory/arena.h"

namespace ecf8 {

// Thread-compatible.
class TimedReader : private BlockReadSink {
 public:
  // Opens the file and registers a buffer of kMaxReadBytes for each read in flight.
  static absl::StatusOr<std::unique_ptr<TimedReader>> Open(const std::string& path,
                                                           const BlockReaderOptions& options);

  // Reads the first `size_bytes` (a multiple of kMaxReadBytes) once. GB/s.
  absl::StatusOr<double> Read(uint64_t size_bytes);

  BlockReaderInfo info() const { return reader_->info(); }

 private:
  TimedReader() = default;

  void OnReadsDone(absl::Span<const BlockReadDone> done) override;
  // How many reads have ended since the last time, at least one. Their buffers are free again;
  // `failure` takes the first error.
  uint32_t WaitForSome(absl::Status& failure);

  uint32_t file_ = 0;
  uint32_t queue_depth_ = 0;
  std::vector<uint32_t> free_buffers_;  // number i is kMaxReadBytes of the arena at i times that

  Mutex mutex_;
  CondVar changed_;
  std::vector<BlockReadDone> done_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<BlockReader> reader_;  // the last: its threads use all the others
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TIMED_READER_H_
