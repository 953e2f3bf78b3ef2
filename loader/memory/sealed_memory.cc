#include "loader/memory/sealed_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"

namespace ecf8 {

absl::Status SealedMemory::Make(const char* name, uint64_t size_bytes) {
  fd_ = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd_ < 0) return ErrnoStatus(errno, absl::StrCat("cannot make the memory ", name));
  if (ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot make ", size_bytes, " bytes of ", name));
  }
  if (size_bytes > 0) {
    void* const memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) {
      return ErrnoStatus(errno, absl::StrCat("cannot map ", size_bytes, " bytes of ", name));
    }
    bytes_ = {static_cast<uint8_t*>(memory), size_bytes};
  }
  // Only now: a mapping that exists stays writable under F_SEAL_FUTURE_WRITE, a later one cannot
  // be.
  if (fcntl(fd_, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) !=
      0) {
    return ErrnoStatus(errno, absl::StrCat("cannot seal ", name));
  }
  return absl::OkStatus();
}

SealedMemory::~SealedMemory() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
  if (fd_ >= 0) close(fd_);
}

}  // namespace ecf8
