// The BlockReader on io_uring: one ring, which one thread owns. Submissions are handed to it over a
// bounded list and an eventfd; completions are reaped and told in batches.
#ifndef ECF8_LOADER_IO_IO_URING_READER_H_
#define ECF8_LOADER_IO_IO_URING_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/io/block_reader.h"
#include "loader/io/file_table.h"
#include "loader/io/read_counters.h"
#include "loader/io/read_progress.h"
#include "loader/io/ring.h"

namespace ecf8 {

class IoUringReader : public BlockReader {
 public:
  // `options` are checked. Where io_uring is refused, ErrnoStatus of why.
  static absl::StatusOr<std::unique_ptr<IoUringReader>> Open(const BlockReaderOptions& options,
                                                             BlockReadSink& sink);
  ~IoUringReader() override;

  absl::StatusOr<uint32_t> AddFile(const std::string& path, std::string_view name) override;
  void RemoveFile(uint32_t file) override;
  void RegisterMemory(absl::Span<uint8_t> memory) override;
  bool TrySubmit(const BlockRead& read) override;
  BlockReaderInfo info() const override;

 private:
  // A read that was taken.
  struct Flight {
    ReadProgress progress;
    const BlockFile* file = nullptr;
  };
  // Something for the ring's thread, which sets `done`.
  struct Command {
    std::function<void()> run;
    bool done = false;
  };

  IoUringReader(const BlockReaderOptions& options, ReadCalls& calls, std::unique_ptr<Ring> ring,
                int wake_fd, BlockReadSink& sink);

  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `run` on the ring's thread and waits for its end.
  void RunOnRing(std::function<void()> run);
  void RegisterPiece(absl::Span<uint8_t> piece);

  // All below: on the ring's thread.
  void Run();
  // What came since the last time. True where the reader is ending.
  bool TakeInbox();
  void RunCommands();
  void StartTaken();
  void Request(uint32_t slot);
  void OnCompletion(const Ring::Completion& completion);
  void Complete(const Flight& flight, absl::Status status);
  void TellSink();

  const uint32_t queue_depth_;
  ReadCalls& calls_;
  BlockReadSink& sink_;
  FileTable files_;
  ReadCounters counters_;
  const int wake_fd_;  // an eventfd

  mutable Mutex mutex_;
  CondVar command_done_;
  uint32_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Flight> inbox_ ABSL_GUARDED_BY(mutex_);       // at most queue_depth_
  std::vector<Command*> commands_ ABSL_GUARDED_BY(mutex_);  // one a thread that waits
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;  // the ring's thread looks at nothing till woken
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t registered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string registration_problem_ ABSL_GUARDED_BY(mutex_);

  // Of the ring's thread alone.
  std::unique_ptr<Ring> ring_;
  std::vector<std::optional<Flight>> slots_;  // the reads that the kernel has
  std::vector<uint32_t> free_slots_;
  std::vector<Flight> taken_;
  std::vector<Command*> taken_commands_;
  std::vector<Ring::Completion> completions_;
  std::vector<BlockReadDone> done_;
  uint64_t wake_value_ = 0;
  bool wake_armed_ = false;
  bool stopping_ = false;  // ending_, as this thread saw it last

  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_IO_URING_READER_H_
