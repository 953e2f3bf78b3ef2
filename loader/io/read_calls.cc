#include "loader/io/read_calls.h"

#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <cerrno>

namespace ecf8 {

int ReadCalls::Open(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int64_t ReadCalls::Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) {
  const ssize_t count = ::pread(fd, memory.data(), memory.size(), static_cast<off_t>(offset_bytes));
  return count >= 0 ? count : -errno;
}

int ReadCalls::InitRing(uint32_t entries, io_uring* ring, io_uring_params* params) {
  return ::io_uring_queue_init_params(entries, ring, params);
}

int ReadCalls::RegisterBuffer(io_uring* ring, uint32_t index, absl::Span<uint8_t> memory) {
  const iovec buffer{memory.data(), memory.size()};
  const __u64 no_tag = 0;
  const int count = ::io_uring_register_buffers_update_tag(ring, index, &buffer, &no_tag, 1);
  return count < 0 ? count : 0;
}

int64_t ReadCalls::RingResult(int64_t result, uint64_t /*offset_bytes*/, uint64_t /*size_bytes*/) {
  return result;
}

ReadCalls& ReadCalls::System() {
  static ReadCalls calls;
  return calls;
}

}  // namespace ecf8
