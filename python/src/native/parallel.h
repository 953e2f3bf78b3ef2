// Work of one call, shared among the cores.
#ifndef ECF8_PYTHON_SRC_NATIVE_PARALLEL_H_
#define ECF8_PYTHON_SRC_NATIVE_PARALLEL_H_

#include <cstddef>
#include <functional>

namespace ecf8::python {

// Calls `body` once for each number below `count`, on the calling thread and on threads that are
// kept for this, as far as they are free; returns when all calls have. Without the GIL.
// Thread-safe. In a process that was forked the calling thread does everything.
void ParallelFor(size_t count, const std::function<void(size_t)>& body);

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_PARALLEL_H_
