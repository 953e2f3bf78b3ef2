// The BlockReader of machines that refuse io_uring: threads that call pread.
#ifndef ECF8_LOADER_IO_THREADS_READER_H_
#define ECF8_LOADER_IO_THREADS_READER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/io/block_reader.h"
#include "loader/io/file_table.h"
#include "loader/io/read_counters.h"
#include "loader/io/read_progress.h"

namespace ecf8 {

class ThreadsReader : public BlockReader {
 public:
  // `options` are checked; `fallback_reason` is for info().
  ThreadsReader(const BlockReaderOptions& options, BlockReadSink& sink,
                std::string fallback_reason);
  ~ThreadsReader() override;

  absl::StatusOr<uint32_t> AddFile(const std::string& path, std::string_view name) override;
  void RemoveFile(uint32_t file) override;
  void RegisterMemory(absl::Span<uint8_t> memory) override;
  bool TrySubmit(const BlockRead& read) override;
  BlockReaderInfo info() const override;

 private:
  void Read(ReadProgress progress, const BlockFile& file);

  const uint32_t queue_depth_;
  const std::string fallback_reason_;
  ReadCalls& calls_;
  BlockReadSink& sink_;
  FileTable files_;
  ReadCounters counters_;
  std::atomic<uint32_t> in_flight_ = 0;
  std::atomic<bool> ending_ = false;
  WorkerPool pool_;  // the last: its threads use all the others
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_THREADS_READER_H_
