#include "loader/memory/memory_calls.h"

#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <limits>

namespace ecf8 {

void* MemoryCalls::Map(uint64_t size_bytes, int flags) {
  return ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
                -1, 0);
}

void* MemoryCalls::MapFile(uint8_t* at, uint64_t size_bytes, int fd) {
  return ::mmap(at, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
}

int MemoryCalls::Advise(absl::Span<uint8_t> memory, int advice) {
  return ::madvise(memory.data(), memory.size(), advice) == 0 ? 0 : errno;
}

int MemoryCalls::Lock(absl::Span<uint8_t> memory) {
  return ::mlock2(memory.data(), memory.size(), MLOCK_ONFAULT) == 0 ? 0 : errno;
}

uint64_t MemoryCalls::LockLimitBytes() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<uint64_t>::max();
  }
  return limit.rlim_cur;
}

std::optional<int> MemoryCalls::CurrentNode() {
  if (::numa_available() < 0 || ::numa_max_node() == 0) return std::nullopt;
  const int node = ::numa_node_of_cpu(::sched_getcpu());
  if (node < 0) return std::nullopt;
  return node;
}

int MemoryCalls::PreferNode(absl::Span<uint8_t> memory, int node) {
  if (::numa_available() < 0) return ENOSYS;
  bitmask* nodes = ::numa_allocate_nodemask();
  ::numa_bitmask_setbit(nodes, static_cast<unsigned>(node));
  // One more than there are bits: the kernel reads one less than it is told.
  const long result =
      ::mbind(memory.data(), memory.size(), MPOL_PREFERRED, nodes->maskp, nodes->size + 1, 0);
  const int error = result == 0 ? 0 : errno;
  ::numa_bitmask_free(nodes);
  return error;
}

MemoryCalls& MemoryCalls::System() {
  static MemoryCalls calls;
  return calls;
}

}  // namespace ecf8
