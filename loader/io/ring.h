// An io_uring of reads, with what the kernel at hand can do: its set-up flags, registered files and
// fixed buffers, each with a way on where it is refused.
#ifndef ECF8_LOADER_IO_RING_H_
#define ECF8_LOADER_IO_RING_H_

#include <liburing.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/io/block_reader.h"
#include "loader/io/file_table.h"
#include "loader/io/read_calls.h"

namespace ecf8 {

// Created on any thread; from Start on, only one thread uses it.
class Ring {
 public:
  struct Completion {
    uint64_t id = 0;
    int64_t result = 0;  // a count, or minus an errno
  };

  // `entries`: requests at once. The error that io_uring_setup(2) gave, with "io_uring" in it.
  static absl::StatusOr<std::unique_ptr<Ring>> Open(uint32_t entries, ReadCalls& calls);

  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  // No request may be in flight.
  ~Ring();

  // Makes the calling thread the ring's own.
  void Start();

  // Requests are only queued until Wait. Memory lives until the completion; so does the file.
  void Read(uint64_t id, uint32_t file_number, const BlockFile& file, absl::Span<uint8_t> memory,
            uint64_t offset_bytes);
  // 8 bytes of an eventfd.
  void ReadEvent(uint64_t id, int fd, uint64_t* value);

  // Hands what is queued to the kernel, waits until there is a completion, and puts all there are
  // into `completions`. Empty where the kernel said "again".
  void Wait(std::vector<Completion>& completions);

  // Spares the kernel the look-up of `fd` at each read. No error: reads work without.
  void RegisterFile(uint32_t file_number, const BlockFile& file);
  void UnregisterFile(uint32_t file_number);

  // RESOURCE_EXHAUSTED (RLIMIT_MEMLOCK, or the table is full), UNIMPLEMENTED (an old kernel).
  // `memory`, at most kMaxRegisteredBufferBytes, overlaps no other and stays until the ring goes.
  absl::Status RegisterBuffer(absl::Span<uint8_t> memory);

 private:
  struct Buffer {
    uint64_t size_bytes = 0;
    int index = 0;
  };

  explicit Ring(ReadCalls& calls) : calls_(calls) {}

  io_uring_sqe& NextEntry();
  // The fixed buffer that holds all of `memory`, or -1.
  int FixedBufferOf(absl::Span<uint8_t> memory) const;

  ReadCalls& calls_;
  io_uring ring_{};
  bool file_slots_ = false;    // the kernel has a table for registered files
  bool buffer_slots_ = false;  // and one for fixed buffers
  std::vector<bool> registered_files_;
  std::map<const uint8_t*, Buffer> buffers_;  // by where they start
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_RING_H_
