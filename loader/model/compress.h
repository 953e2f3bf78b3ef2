// Compress, decompress and verify: a plain model on disk to a compressed one, back, and the proof.
//
// All three stream: memory is bounded by the chunks in flight (threads x a few MiB) whatever the
// size of the model or its units. A destination appears only when it is complete and synced.
// Thread-compatible.
#ifndef ECF8_LOADER_MODEL_COMPRESS_H_
#define ECF8_LOADER_MODEL_COMPRESS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/checkpoint/source_model.h"

namespace ecf8 {

// Called from the coordinating thread, a few times a second at most, and once at the end.
struct Progress {
  uint64_t done_bytes = 0;  // of decoded weights
  uint64_t total_bytes = 0;
};
using ProgressFunction = std::function<void(const Progress&)>;

struct JobOptions {
  int threads = 0;       // 0: one a core
  bool replace = false;  // an existing destination, when the new one is complete
  uint64_t shard_size_bytes =
      5'000'000'000;          // compress: begin another shard after so many raw bytes
  ProgressFunction progress;  // may be empty
  const std::atomic<bool>* cancel = nullptr;  // set by ^C: the job ends with CANCELLED soon after
};

struct CompressSummary {
  uint64_t raw_bytes = 0;     // of all files of the source
  uint64_t stored_bytes = 0;  // of all files of the destination
  double seconds = 0;
};

// `source`: a Hugging Face directory or one .safetensors file.
absl::StatusOr<CompressSummary> CompressModel(const std::string& source,
                                              const std::string& destination,
                                              const JobOptions& options);

// The same for a source that is open. It need not lie on a disk, but its other files do; that the
// destination is not inside of it is the caller's care.
absl::StatusOr<CompressSummary> CompressModel(const SourceModel& source,
                                              const std::string& destination,
                                              const JobOptions& options);

// Every file of the original, byte for byte.
absl::StatusOr<CompressSummary> DecompressModel(const std::string& source,
                                                const std::string& destination,
                                                const JobOptions& options);

struct VerifyReport {
  std::vector<std::string> problems;  // at most 100, one line each: tensor, file, what is wrong
  uint64_t problem_count = 0;
  std::vector<std::string> notes;  // what is no fault: files that do not belong to the model
  uint64_t checked_bytes = 0;      // decoded
  uint32_t unit_count = 0;
  uint32_t tensor_count = 0;
};

// Every checksum of every file, decoded bytes included; with a non-empty `against` (the original
// directory or file) every byte as well. A damaged model gives a report with problems, not an
// error; errors are for what could not be looked at at all (no such directory, CANCELLED).
absl::StatusOr<VerifyReport> VerifyModel(const std::string& directory, const std::string& against,
                                         const JobOptions& options);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_COMPRESS_H_
