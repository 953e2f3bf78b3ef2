// Counts the wavefronts of warps' memory requests (see TrafficCounts).
#ifndef ECF8_TESTS_EMULATION_TRAFFIC_COUNTER_H_
#define ECF8_TESTS_EMULATION_TRAFFIC_COUNTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/emulation/warp_emulator.h"

namespace ecf8::emulation {

// The lanes of a warp do the same accesses between two collectives: the n-th ones of all lanes are
// one request of the warp.
class TrafficCounter {
 public:
  void Start(size_t tables_offset);
  TrafficCounts Stop();
  bool counting() const { return counting_; }

  void AddShared(uint32_t thread, size_t offset, size_t size, bool write);
  void AddGlobal(uint32_t thread, uintptr_t address, size_t size, GlobalAccess access);
  // The lanes of this warp have met.
  void EndRequests(uint32_t warp);

 private:
  struct Access {
    Traffic* traffic;
    uintptr_t address;
    size_t size;
  };
  void Add(uint32_t thread, const Access& access);
  static uint64_t Wavefronts(const std::vector<Access>& request);

  bool counting_ = false;
  size_t tables_offset_ = 0;
  TrafficCounts counts_;
  std::vector<std::vector<Access>> accesses_;  // by thread
};

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_TRAFFIC_COUNTER_H_
