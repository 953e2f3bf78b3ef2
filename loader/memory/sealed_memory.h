// Memory that this process writes and others may map, but only to read.
//
// A memfd, made at its full size, mapped here, and then sealed: it cannot grow or shrink (a reader
// never meets a missing page), nobody gets another writable mapping of it, this process included,
// no hole can be punched into it, and no seal be added. Who is handed the descriptor can do no more
// than map it PROT_READ.
#ifndef ECF8_LOADER_MEMORY_SEALED_MEMORY_H_
#define ECF8_LOADER_MEMORY_SEALED_MEMORY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace ecf8 {

// Not copied or moved: others keep its address. Thread-safe.
class SealedMemory {
 public:
  SealedMemory() = default;  // of no bytes, without a descriptor
  SealedMemory(const SealedMemory&) = delete;
  SealedMemory& operator=(const SealedMemory&) = delete;
  // Unmaps. Those who have the descriptor keep the memory.
  ~SealedMemory();

  // To be called once. `name` is shown in /proc. `size_bytes` may be 0: then there is a descriptor,
  // and nothing to map. Zeroed. RESOURCE_EXHAUSTED where there is no memory or descriptor,
  // INVALID_ARGUMENT where the kernel knows no such seals (Linux before 5.1).
  absl::Status Make(const char* name, uint64_t size_bytes);

  absl::Span<uint8_t> bytes() const { return bytes_; }
  int fd() const { return fd_; }  // -1 before Make

 private:
  int fd_ = -1;
  absl::Span<uint8_t> bytes_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_SEALED_MEMORY_H_
