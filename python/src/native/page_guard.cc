#include "python/src/native/page_guard.h"

#include <sys/mman.h>

#include "loader/memory/slot_space.h"

namespace ecf8::python {
namespace {

void Protect(const uint8_t* page, int protection) {
  // Where it does not work nothing is found, and nothing is lost.
  mprotect(const_cast<uint8_t*>(page), kSlotPageBytes, protection);
}

}  // namespace

void PageGuard::Hold(absl::Span<const uint8_t> bytes) {
  MutexLock lock(mutex_);
  for (uint64_t at = 0; at < bytes.size(); at += kSlotPageBytes) {
    const uint8_t* const page = bytes.data() + at;
    if (holders_[page]++ == 0) Protect(page, PROT_READ);
  }
}

void PageGuard::LetGo(absl::Span<const uint8_t> bytes) {
  MutexLock lock(mutex_);
  for (uint64_t at = 0; at < bytes.size(); at += kSlotPageBytes) {
    const auto page = holders_.find(bytes.data() + at);
    if (page == holders_.end() || --page->second > 0) continue;
    Protect(page->first, PROT_NONE);
    holders_.erase(page);
  }
}

}  // namespace ecf8::python
