// A stored unit in the runs of bytes that are fetched, checked and fetched again alone.
#ifndef ECF8_LOADER_REMOTE_STORED_RUNS_H_
#define ECF8_LOADER_REMOTE_STORED_RUNS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// Tables and chunks that follow one another, each of them whole, with the zero bytes between them.
struct StoredRun {
  uint64_t offset_bytes = 0;  // in the stored unit
  uint64_t size_bytes = 0;    // never 0
};

// The runs of a unit, in order, of at most `most_bytes` each where no chunk is larger. What lies
// between two of them is zero, and nobody's to fetch.
std::vector<StoredRun> SplitUnit(const Unit& unit, uint64_t most_bytes);

// Whether `bytes`, which has the run's size, is what the manifest says, zeros between pieces
// included. DATA_LOSS names the tensor and the chunk.
absl::Status CheckRun(const Unit& unit, const StoredRun& run, absl::Span<const uint8_t> bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_STORED_RUNS_H_
