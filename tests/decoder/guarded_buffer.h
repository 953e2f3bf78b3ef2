// Memory with an inaccessible page on both sides.
#ifndef ECF8_TESTS_DECODER_GUARDED_BUFFER_H_
#define ECF8_TESTS_DECODER_GUARDED_BUFFER_H_

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"

namespace ecf8 {

// `size` bytes that touch the upper guard page (kAtEnd: finds reads behind) or the lower
// (kAtStart).
class GuardedBuffer {
 public:
  enum class Place { kAtStart, kAtEnd };

  GuardedBuffer(size_t size, Place place) : size_(size) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = std::max(page, (size + page - 1) / page * page);
    mapped_ = body + 2 * page;
    void* base = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) std::abort();
    base_ = static_cast<uint8_t*>(base);
    if (mprotect(base_ + page, body, PROT_READ | PROT_WRITE) != 0) std::abort();
    data_ = base_ + page + (place == Place::kAtEnd ? body - size : 0);
  }
  GuardedBuffer(absl::Span<const uint8_t> bytes, Place place) : GuardedBuffer(bytes.size(), place) {
    std::copy(bytes.begin(), bytes.end(), data_);
  }
  ~GuardedBuffer() { munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  absl::Span<uint8_t> span() const { return {data_, size_}; }

 private:
  uint8_t* base_;
  size_t mapped_;
  uint8_t* data_;
  size_t size_;
};

}  // namespace ecf8

#endif  // ECF8_TESTS_DECODER_GUARDED_BUFFER_H_
