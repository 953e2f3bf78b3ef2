// One read on its way through several requests to the system: what to ask for next, and what an
// answer means. All readers share it, so that they agree on short reads, errors and the end of a
// file.
#ifndef ECF8_LOADER_IO_READ_PROGRESS_H_
#define ECF8_LOADER_IO_READ_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/io/block_reader.h"

namespace ecf8 {

// Thread-compatible.
class ReadProgress {
 public:
  // Requests that may bring nothing (EINTR, EAGAIN, less than a block of a direct read) before the
  // read fails.
  static constexpr int kMaxFruitless = 16;

  // `direct`: requests are whole blocks, at multiples of blocks, into memory aligned so. A shorter
  // answer within a block is asked for again from that block's start.
  // Asserts what BlockRead says of its fields.
  ReadProgress(const BlockRead& read, bool direct);

  // The next request: its place in the file and in memory.
  uint64_t offset_bytes() const { return read_.offset_bytes + done_bytes_; }
  absl::Span<uint8_t> memory() const;

  // Takes the answer: a count of bytes, 0 at the end of the file, or minus an errno. The read's
  // status when that was the last; nullopt when there is another request to make. `name` stands for
  // the file in the message.
  std::optional<absl::Status> OnResult(int64_t result, std::string_view name);

  const BlockRead& read() const { return read_; }

 private:
  std::optional<absl::Status> OnError(int error, std::string_view name);
  absl::Status EndsEarly(uint64_t end_bytes, std::string_view name) const;

  BlockRead read_;
  bool direct_ = false;
  int fruitless_ = 0;
  uint32_t done_bytes_ = 0;
  uint32_t furthest_bytes_ = 0;  // that answers within one block have reached
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_READ_PROGRESS_H_
