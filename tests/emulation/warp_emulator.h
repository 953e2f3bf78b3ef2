// Runs CUDA kernels on the CPU and finds what a GPU would let pass: threads are fibers, collectives
// their meeting points. One launch at a time, on one thread of the system.
//
// Errors end the launch: a collective that a named lane does not reach (it ended, or waits at
// another one), accesses out of bounds, unaligned, of shared memory that nobody wrote, or in a
// race. As in CUDA, only __syncthreads and __syncwarp order accesses of memory; a ballot does not.
#ifndef ECF8_TESTS_EMULATION_WARP_EMULATOR_H_
#define ECF8_TESTS_EMULATION_WARP_EMULATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace ecf8::emulation {

inline constexpr uint32_t kWarpLanes = 32;

struct Dim3 {
  explicit Dim3(uint32_t x_size) : x(x_size) {}
  uint32_t x;
  uint32_t y = 1;
  uint32_t z = 1;
};

struct DeviceProperties {
  int multiprocessors = 2;
  int max_threads = 2 * kWarpLanes;  // of a block
  int shared_bytes = 227 * 1024;     // of a block
  int reserved_shared_bytes = 1024;  // before the block's own
  uint64_t schedule = 0;             // the order in which lanes run
};
// May be changed between launches.
DeviceProperties& Device();

// Runs `kernel` for every thread of every block. Returns false after an error; LaunchError says
// which: of the last launch, empty if it had none.
bool Launch(Dim3 grid, Dim3 block, size_t shared_bytes, const std::function<void()>& kernel);
const std::string& LaunchError();

// Requests of whole warps to the shared memory and the L1 cache, and the wavefronts (passes through
// all banks, or cache lines) that they take.
struct Traffic {
  uint64_t requests = 0;
  uint64_t wavefronts = 0;
};
struct TrafficCounts {
  Traffic table_loads;    // shared memory from `tables_begin` on
  Traffic word_loads;     // shared memory before
  Traffic shared_stores;  //
  Traffic global_loads;   //
  Traffic global_stores;  //
  Traffic prefetches;     // of global memory
};
// Counts what later launches do, until StopCounting. `tables_offset` is counted from the block's
// first byte of shared memory.
void StartCounting(size_t tables_offset);
TrafficCounts StopCounting();

// What a thread calls; all refer to the thread that runs.
enum class CollectiveKind { kSync, kBallot, kAny, kShuffle, kReduceOr };
uint32_t Collective(CollectiveKind kind, uint32_t mask, uint32_t value, uint32_t argument);
void SyncThreads();
const Dim3& ThreadIndex();
const Dim3& BlockIndex();
const Dim3& BlockDim();
uint32_t SharedMemoryBegin();
void LoadShared(uint32_t address, void* value, size_t size);
void StoreShared(uint32_t address, const void* value, size_t size);
// Does not return; what is on the thread's stack is not destroyed.
[[noreturn]] void FailLaunch(const char* what);
enum class GlobalAccess { kLoad, kStore, kPrefetch };
// Counts an access of global memory.
void CountGlobal(uintptr_t address, size_t size, GlobalAccess access);

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_WARP_EMULATOR_H_
