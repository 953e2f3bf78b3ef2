// The files of a model's directory, at any depth.
#ifndef ECF8_LOADER_CHECKPOINT_DIRECTORY_LISTING_H_
#define ECF8_LOADER_CHECKPOINT_DIRECTORY_LISTING_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ecf8 {

inline constexpr int kMaxDirectoryDepth = 16;
inline constexpr size_t kMaxDirectoryEntries = 100'000;

// The regular files below `directory`, hidden ones too, relative to it, '/' between components,
// sorted by bytes. Symbolic links to files count as files. Empty directories are not seen.
// FAILED_PRECONDITION for a symbolic link to a directory or to nothing, for special files (FIFO,
// socket, device), and beyond the limits; INVALID_ARGUMENT for a name that is not UTF-8;
// PERMISSION_DENIED, ...; each names the path.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_DIRECTORY_LISTING_H_
