// A compressed model from elsewhere into a directory of this machine.
//
// What comes is believed only as far as checksums go: header and manifest of each shard first, then
// every table and chunk, before it is written. The directory appears when all of it is there. What
// an earlier pull into the same destination has brought, killed or not, is not fetched again: no
// list of it is kept, its checksums tell.
#ifndef ECF8_LOADER_REMOTE_PULL_H_
#define ECF8_LOADER_REMOTE_PULL_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "loader/model/compress.h"
#include "loader/remote/object_source.h"

namespace ecf8 {

struct PullOptions {
  bool replace = false;         // an existing destination, when the new one is complete
  std::string digest{};         // the model's, if it must have one; empty: any
  ProgressFunction progress{};  // of bytes that are on the disk and right, or on their way
  const std::atomic<bool>* cancel = nullptr;  // may be null
};

struct PullSummary {
  std::string digest{};
  uint32_t unit_count = 0;
  uint64_t size_bytes = 0;     // of all files
  uint64_t fetched_bytes = 0;  // weights and files, those that were fetched again included
  uint64_t resumed_bytes = 0;  // that were there
  uint64_t damaged_parts = 0;  // that came with a wrong checksum and were fetched again
  uint64_t retries = 0;
  double seconds = 0;
};

// NOT_FOUND (no such model, or none that ecf8 has compressed), DATA_LOSS (a part came three times
// with a wrong checksum; names shard, unit and tensor), RESOURCE_EXHAUSTED (it does not fit on the
// disk, with the shortfall in the ErrorInfo; before any weights are fetched), FAILED_PRECONDITION
// (another digest; another pull into the same destination), ALREADY_EXISTS, CANCELLED, the errors
// of the source. What was fetched until then stays beside the destination
// (StagedDirectory::Resume).
absl::StatusOr<PullSummary> PullModel(ObjectSource& source, const std::string& destination,
                                      const PullOptions& options);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_PULL_H_
