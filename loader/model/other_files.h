// The files of a model that are not shards: copied as they are, read whole where they are small.
#ifndef ECF8_LOADER_MODEL_OTHER_FILES_H_
#define ECF8_LOADER_MODEL_OTHER_FILES_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// Paths are relative to their directories, '/' between components. Directories on the way to a file
// that is written are made; files that are written are synced.

// Copies a file with its mode. FAILED_PRECONDITION where it changes meanwhile; CANCELLED.
absl::StatusOr<OtherFile> CopyFile(const std::string& from_directory,
                                   const std::string& to_directory, const std::string& path,
                                   const std::atomic<bool>* cancel);

// Writes a new file with the mode of the file `mode_of`, or the usual one where that is empty.
absl::StatusOr<OtherFile> WriteFile(const std::string& directory, const std::string& path,
                                    std::string_view content, const std::string& mode_of);

// Size and hash.
absl::StatusOr<OtherFile> HashFile(const std::string& directory, const std::string& path,
                                   const std::atomic<bool>* cancel);

// RESOURCE_EXHAUSTED where the file is larger than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes);

// Makes the directories on the way to the file `path` below `directory`.
absl::Status MakeParents(const std::string& directory, const std::string& path);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_OTHER_FILES_H_
