// Stored units that the process before has left in the arena and whose model nobody has added yet.
#ifndef ECF8_LOADER_ENGINE_KEPT_UNITS_H_
#define ECF8_LOADER_ENGINE_KEPT_UNITS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "loader/memory/arena.h"
#include "loader/memory/frame_ledger.h"
#include "loader/memory/frame_space.h"

namespace ecf8 {

struct KeptUnit {
  uint32_t unit_index = 0;
  uint64_t stored_size_bytes = 0;
  Extents frames{};  // of the arena
};

// Thread-compatible.
class KeptUnits {
 public:
  // Takes the units' frames, which are free; a unit whose frames are not is left out. `arena`
  // outlives it.
  KeptUnits(Arena& arena, const std::vector<LedgerUnit>& units);
  KeptUnits(const KeptUnits&) = delete;
  KeptUnits& operator=(const KeptUnits&) = delete;
  // Gives the frames back.
  ~KeptUnits();

  // Those of a model; their frames are the caller's.
  std::vector<KeptUnit> TakeModel(uint64_t digest);
  // Any one of them.
  std::optional<KeptUnit> TakeAny();

 private:
  Arena& arena_;
  std::map<uint64_t, std::vector<KeptUnit>> units_;  // by digest; none is empty
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_KEPT_UNITS_H_
