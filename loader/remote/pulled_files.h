// The files of a model that is being pulled: what of them is on the disk, and right.
#ifndef ECF8_LOADER_REMOTE_PULLED_FILES_H_
#define ECF8_LOADER_REMOTE_PULLED_FILES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/file.h"
#include "loader/model/compressed_model.h"
#include "loader/remote/stored_runs.h"

namespace ecf8 {

// What is fetched in one read.
inline constexpr uint64_t kPullPartBytes = 8 << 20;

struct PullPart {
  uint32_t file = 0;          // by number
  uint32_t unit = 0;          // of the model; of shards only
  uint64_t offset_bytes = 0;  // in the file
  StoredRun run{};            // of the unit; of another file: the part itself
  int fetches = 0;

  uint64_t size_bytes() const { return run.size_bytes; }
};

// Removes the files of `directory` that are none of the model's: what an earlier pull of another
// one has left. DATA_LOSS where the model has more files than a directory may.
absl::Status KeepOnly(const std::string& directory, const Directory& record);

// Thread-compatible.
class PulledFiles {
 public:
  // For a model of which `directory` has headers and manifests, and no other model's files.
  static absl::StatusOr<PulledFiles> Open(std::shared_ptr<const CompressedModel> model,
                                          const std::string& directory);

  const std::string& path_of(const PullPart& part) const { return files_[part.file].path; }
  uint64_t file_size_bytes(const PullPart& part) const { return files_[part.file].size_bytes; }

  uint64_t size_bytes() const;  // of all files
  // What they do not occupy yet.
  absl::StatusOr<uint64_t> MissingBytes() const;

  // The parts that are not there, or not right. `found` is told of the others, by their sizes.
  // Files of which nothing is missing are synced. CANCELLED.
  absl::StatusOr<std::vector<PullPart>> FindMissing(const std::atomic<bool>* cancel,
                                                    const std::function<void(uint64_t)>& found);

  // Writes a part that has come. DATA_LOSS where it is damaged: nothing is written then. The last
  // part of a file that is no shard may tell that the file is: `again` then has all its parts.
  absl::Status Put(const PullPart& part, absl::Span<const uint8_t> bytes,
                   std::vector<PullPart>* again);

 private:
  struct PulledFile {
    std::string path;
    uint64_t size_bytes = 0;
    bool is_shard = false;
    uint64_t xxh3 = 0;  // of a file that is no shard
    File file;
    size_t missing_parts = 0;
  };

  PulledFiles(std::shared_ptr<const CompressedModel> model, std::string directory)
      : model_(std::move(model)), directory_(std::move(directory)) {}

  absl::Status AddFile(const std::string& path, uint64_t size_bytes);
  std::vector<PullPart> PartsOf(uint32_t file) const;
  std::vector<PullPart> ShardParts() const;
  bool IsThere(const PullPart& part, std::vector<uint8_t>* buffer) const;
  absl::StatusOr<bool> IsComplete(const PulledFile& file) const;

  std::shared_ptr<const CompressedModel> model_;
  std::string directory_;
  std::vector<PulledFile> files_;  // the shards, in order, and then the others
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_PULLED_FILES_H_
