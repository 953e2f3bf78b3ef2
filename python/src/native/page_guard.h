// For finding who reads slots that were released: they cannot be read meanwhile.
#ifndef ECF8_PYTHON_SRC_NATIVE_PAGE_GUARD_H_
#define ECF8_PYTHON_SRC_NATIVE_PAGE_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/types/span.h"
#include "loader/base/mutex.h"

namespace ecf8::python {

// Counts who holds which pages of slots. Those that all have let go of are PROT_NONE, so that
// whoever reads them dies of SIGSEGV there and then. Thread-safe.
class PageGuard {
 public:
  // `bytes` begin a slot, of which they are a unit.
  void Hold(absl::Span<const uint8_t> bytes);
  void LetGo(absl::Span<const uint8_t> bytes);

 private:
  Mutex mutex_;
  std::map<const uint8_t*, size_t> holders_ ABSL_GUARDED_BY(mutex_);  // by a page's first byte
};

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_PAGE_GUARD_H_
