// What the engine has done and how it stands, for `ecf8 status`, metrics and tests.
#ifndef ECF8_LOADER_ENGINE_ENGINE_STATS_H_
#define ECF8_LOADER_ENGINE_ENGINE_STATS_H_

#include <array>
#include <cstdint>

#include "loader/engine/residency.h"

namespace ecf8 {

// One tier of memory.
struct TierStats {
  uint64_t capacity_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t units = 0;  // there, or on their way
  UnitTotals pinned;   // there or not
  // Since the start. A request that joins one on its way is a hit: it costs nothing more.
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t evictions = 0;
};

struct EngineStats {
  TierStats host;                     // stored units
  TierStats device;                   // stored units in the device's frames
  TierStats slots;                    // units in slots, decoded and stored
  uint64_t requests = 0;              // held or waiting
  std::array<uint64_t, 3> waiting{};  // for memory, by Priority
  uint64_t active_units = 0;          // read or decoded at the moment
  uint64_t reads_in_flight = 0;
  uint64_t jobs_in_flight = 0;
  // Since the start.
  uint64_t read_bytes = 0;
  uint64_t verified_bytes = 0;  // stored bytes
  uint64_t copied_bytes = 0;    // stored bytes, to the device's frames and to slots
  uint64_t decoded_bytes = 0;
  uint64_t verify_ns = 0;  // of all threads
  uint64_t copy_ns = 0;
  uint64_t decode_ns = 0;
  uint64_t failed_units = 0;
  uint64_t abandoned_units = 0;  // nobody wanted them any more
  uint64_t revoked_holds = 0;
  // Of the process before, in the arena: taken up, with their stored bytes; and found to be other
  // bytes when they were to be used, so that they were read.
  uint64_t kept_units = 0;
  uint64_t kept_bytes = 0;
  uint64_t bad_kept_units = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_STATS_H_
