// The seam for the disk: whole blocks of files, read asynchronously into the caller's memory.
//
//   class Loop : public BlockReadSink { ... };            // marks what has arrived, wakes the loop
//   ECF8_ASSIGN_OR_RETURN(auto reader, OpenBlockReader({.queue_depth = 8}, loop));
//   ECF8_ASSIGN_OR_RETURN(uint32_t file, reader->AddFile(path,
//   "model-00001-of-00002.safetensors")); if (!reader->TrySubmit({file, offset, frame, size, tag}))
//   { /* again after a completion */ }
//
// Three implementations behave alike (tests/loader/io/block_reader_conformance_test.cc): io_uring,
// a pool of threads that call pread, and tests/support/faulty_block_reader.h. A short read is never
// taken for a whole one: what is missing is read again. EINTR and EAGAIN are retried.
//
// Files are opened with O_DIRECT where their file system reads so, else buffered.
#ifndef ECF8_LOADER_IO_BLOCK_READER_H_
#define ECF8_LOADER_IO_BLOCK_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ecf8 {

class ReadCalls;  // loader/io/read_calls.h

inline constexpr uint32_t kBlockBytes = 4096;
inline constexpr uint32_t kMaxReadBytes = 4 << 20;
inline constexpr uint32_t kMaxQueueDepth = 1024;
inline constexpr uint32_t kMaxOpenFiles = 4096;                           // of one reader
inline constexpr uint64_t kMaxRegisteredBufferBytes = uint64_t{1} << 30;  // the kernel's limit

// One request. The memory belongs to the reader until the request's completion.
struct BlockRead {
  uint32_t file = 0;          // from AddFile
  uint64_t offset_bytes = 0;  // a multiple of kBlockBytes
  uint8_t* data = nullptr;    // on kBlockBytes; room for size_bytes rounded up to kBlockBytes, all
                              // of which may be overwritten
  uint32_t size_bytes = 0;    // 1 .. kMaxReadBytes; need not be a multiple: the end of a file
  uint64_t tag = 0;           // the caller's, given back
};

struct BlockReadDone {
  uint64_t tag = 0;
  // OK: exactly size_bytes are there. Errors hold the file's `name` and the offset, never a path:
  // DATA_LOSS (EIO, or the file ends before the last byte), UNAVAILABLE (the system said "again"
  // too often), CANCELLED (the reader is ending), else as ErrnoStatus of loader/base/file.h. What
  // the memory then holds is undefined.
  absl::Status status;
};

// Called on a thread of the reader, and by several at once where it has several. Must be short:
// while it runs, that thread reads nothing. Must not call the reader. The slots of `done` are free
// before the call: a submit that it causes on another thread finds room.
class BlockReadSink {
 public:
  virtual ~BlockReadSink() = default;
  virtual void OnReadsDone(absl::Span<const BlockReadDone> done) = 0;
};

enum class BlockReaderBackend : uint8_t {
  kAuto,     // io_uring, or threads where the system refuses it
  kIoUring,  // fail where it is refused
  kThreads,
};

struct BlockReaderOptions {
  BlockReaderBackend backend = BlockReaderBackend::kAuto;
  // Reads in flight, 1 .. kMaxQueueDepth. A disk works on all of them at once: more than it takes
  // to keep it busy only make the first wait for the last.
  uint32_t queue_depth = 8;
  bool direct_io = true;       // false: every file is opened buffered
  ReadCalls* calls = nullptr;  // for tests: what to call instead of the system; outlives the reader
};

// A snapshot, for status and metrics.
struct BlockReaderInfo {
  std::string kind;             // "io_uring", "threads", "faulty"
  std::string fallback_reason;  // why kAuto did not take io_uring; empty where it did
  uint32_t queue_depth = 0;
  uint32_t in_flight = 0;
  uint32_t direct_files = 0;         // open with O_DIRECT
  uint32_t buffered_files = 0;       // open without: their file system knows no direct reads
  uint64_t registered_bytes = 0;     // of RegisterMemory, what the kernel holds as fixed buffers
  std::string registration_problem;  // why memory is not registered; empty where all of it is
  uint64_t reads_done = 0;           // completions with OK, and what they read
  uint64_t bytes_read = 0;
  uint64_t reads_failed = 0;  // completions without
  uint64_t retries = 0;       // further requests after a short read, EINTR or EAGAIN
};

// Thread-safe.
class BlockReader {
 public:
  BlockReader() = default;
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  // Waits for the reads in flight: each completes, with its result or with CANCELLED. After it the
  // sink is not called again.
  virtual ~BlockReader() = default;

  // Opens a regular file, once for all its reads. `name` (no path) stands for it in messages. The
  // number is free for other files after RemoveFile. Errors name `name`: those of
  // File::OpenForRead, and RESOURCE_EXHAUSTED beyond kMaxOpenFiles. May block for a moment.
  virtual absl::StatusOr<uint32_t> AddFile(const std::string& path, std::string_view name) = 0;

  // No reads of it may be in flight.
  virtual void RemoveFile(uint32_t file) = 0;

  // A hint: reads into `memory`, which starts on kBlockBytes and stays mapped as long as the
  // reader, will be frequent. Where the system allows it they become fixed buffers (io_uring); else
  // nothing changes but info(). Pins, and so touches, the memory: best called with memory that is
  // touched already (Arena::StartTouching). Blocks until it is done; reads go on meanwhile.
  virtual void RegisterMemory(absl::Span<uint8_t> memory) = 0;

  // False where queue_depth reads are in flight: the read was not taken. Never blocks.
  [[nodiscard]] virtual bool TrySubmit(const BlockRead& read) = 0;

  virtual BlockReaderInfo info() const = 0;
};

// `sink` outlives the reader. INVALID_ARGUMENT for a depth out of range; RESOURCE_EXHAUSTED (no
// thread, no memory); with kIoUring, the error that refused it.
absl::StatusOr<std::unique_ptr<BlockReader>> OpenBlockReader(const BlockReaderOptions& options,
                                                             BlockReadSink& sink);

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_BLOCK_READER_H_
