// A model's files in memory, for a bench of what the software costs without a disk.
#ifndef ECF8_TOOLS_ECF8_TMPFS_COPY_H_
#define ECF8_TOOLS_ECF8_TMPFS_COPY_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace ecf8 {

class TmpfsCopy {
 public:
  // Copies the files of `directory` to a new one under /dev/shm. RESOURCE_EXHAUSTED where they
  // would take more than half of what is free there; UNAVAILABLE where there is no /dev/shm.
  static absl::StatusOr<std::unique_ptr<TmpfsCopy>> Of(const std::string& directory);

  TmpfsCopy(const TmpfsCopy&) = delete;
  TmpfsCopy& operator=(const TmpfsCopy&) = delete;
  // Removes the copy.
  ~TmpfsCopy();

  const std::string& path() const { return path_; }

 private:
  explicit TmpfsCopy(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TMPFS_COPY_H_
