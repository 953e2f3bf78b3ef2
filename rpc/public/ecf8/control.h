// What a daemon holds, and what it is told to hold (docs/CACHE.md has the rules).
#ifndef ECF8_CONTROL_H_
#define ECF8_CONTROL_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ecf8 {

enum class MemoryTier : uint8_t {
  kHost = 1,    // compressed, in host memory
  kDevice = 2,  // compressed, in memory of the device
  kSlots = 3,   // decoded
};

struct PreloadRequest {
  std::string model{};
  std::vector<std::string> units{};  // by id; none: the whole model
  MemoryTier tier = MemoryTier::kSlots;
  bool pin = false;          // they stay until they are unpinned, or the daemon ends
  std::string request_id{};  // free text of at most 64 bytes, for the daemon's log
};

// Bytes are decoded ones in slots, and stored ones in the other tiers.
struct PreloadReport {
  uint64_t units = 0;           // of the request
  uint64_t units_done = 0;      // there, or passed by
  uint64_t units_not_kept = 0;  // passed by, or gone again by the end: clients use the memory
  uint64_t size_bytes = 0;
  uint64_t done_bytes = 0;
  uint64_t not_kept_bytes = 0;
  uint64_t loaded_bytes = 0;  // that were not there before
  std::chrono::milliseconds elapsed{0};
};

struct TierStatus {
  uint64_t capacity_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t units = 0;  // there, or on their way
  // Since the daemon's start: requests that found the unit there or on its way, and others.
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t evictions = 0;
};

struct DaemonStatus {
  std::chrono::milliseconds uptime{0};
  TierStatus host{};
  TierStatus device{};
  TierStatus slots{};
  uint64_t granted_slot_bytes = 0;  // to sessions
  // Since the daemon's start.
  uint64_t read_bytes = 0;
  uint64_t decoded_bytes = 0;
  uint64_t failed_units = 0;
};

}  // namespace ecf8

#endif  // ECF8_CONTROL_H_
