// Files that are filled bit by bit, in any order.
#ifndef ECF8_LOADER_BASE_FILE_UPDATE_H_
#define ECF8_LOADER_BASE_FILE_UPDATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/file.h"

namespace ecf8 {

// For reading and writing: what is there stays as it is, what is not is made, with mode 0644 less
// the umask. INVALID_ARGUMENT for a symbolic link and for what is no regular file.
absl::StatusOr<File> OpenForUpdate(const std::string& path);

// Cuts the file, or makes it longer by zeros that take no room until they are written over.
absl::Status ResizeFile(const File& file, uint64_t size_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_FILE_UPDATE_H_
