// What somebody wants to be in a tier, and to stay there: words of the engine's that all layers
// above it use.
#ifndef ECF8_LOADER_ENGINE_RESIDENCY_H_
#define ECF8_LOADER_ENGINE_RESIDENCY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "loader/engine/tier.h"

namespace ecf8 {

// Units of one model, each once, in one tier.
struct UnitSet {
  uint32_t model = 0;  // the engine's number
  Tier tier = Tier::kHost;
  std::vector<uint32_t> units{};  // by index
};

struct UnitTotals {
  uint64_t units = 0;
  uint64_t bytes = 0;  // of memory in the tier

  void Add(uint64_t size_bytes) {
    ++units;
    bytes += size_bytes;
  }
  void Remove(uint64_t size_bytes) {
    --units;
    bytes -= size_bytes;
  }
  UnitTotals& operator+=(const UnitTotals& other) {
    units += other.units;
    bytes += other.bytes;
    return *this;
  }
  bool operator==(const UnitTotals&) const = default;
};

// What became of units that were to be unpinned.
struct UnpinReport {
  UnitTotals removed;  // they are pinned no more
  UnitTotals held;     // still pinned, by resident sessions or preloads, until these end
};

// What became of units that were to be evicted.
struct EvictReport {
  UnitTotals freed;
  UnitTotals in_use;  // read, decoded, or held by a client
  UnitTotals pinned;

  bool operator==(const EvictReport&) const = default;
};

// The pinned units of one model in one tier.
struct PinnedModel {
  std::string model;  // its name
  Tier tier = Tier::kHost;
  UnitTotals pinned;
};

// Who has a tier's memory so that it cannot be had by others.
struct MemoryHolders {
  std::map<uint32_t, uint64_t> pinned_bytes{};  // by model
  uint64_t session_bytes = 0;                   // sessions' grants
  uint64_t room_bytes = 0;                      // that pins must leave for any one unit
};

// "pins of model \"m\", 120 MB; sessions' grants, 40 MB"; of many models the largest are named.
// Empty where nobody has anything.
std::string HoldersText(const MemoryHolders& holders,
                        const std::function<std::string(uint32_t model)>& model_name);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_RESIDENCY_H_
