// How much of the heap this process uses, for tests of what a client may cost.
#ifndef ECF8_TESTS_SUPPORT_HEAP_BYTES_H_
#define ECF8_TESTS_SUPPORT_HEAP_BYTES_H_

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>

namespace ecf8::testing {

inline size_t HeapBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

// The largest of several looks, since streams still prepare when they have begun.
inline size_t SettledHeapBytes() {
  size_t most = 0;
  for (int i = 0; i < 20; ++i) {
    most = std::max(most, HeapBytes());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return most;
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HEAP_BYTES_H_
