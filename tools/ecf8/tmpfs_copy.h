// A model's files in memory, for a bench of what the software costs without a disk.
#ifndef ECF8_TOOLS_ECF8_TMPFS_COPY_H_
#define ECF8_TOOLS_ECF8_TMPFS_COPY_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/workloads/scratch_directory.h"

namespace ecf8 {

class TmpfsCopy {
 public:
  // Copies the files of `directory` to a new one under /dev/shm. RESOURCE_EXHAUSTED where they
  // would take more than half of what is free there; UNAVAILABLE where there is no /dev/shm.
  static absl::StatusOr<std::unique_ptr<TmpfsCopy>> Of(const std::string& directory);

  const std::string& path() const { return directory_->path(); }

 private:
  explicit TmpfsCopy(std::unique_ptr<ScratchDirectory> directory)
      : directory_(std::move(directory)) {}

  const std::unique_ptr<ScratchDirectory> directory_;  // goes, and with it the copy
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TMPFS_COPY_H_
