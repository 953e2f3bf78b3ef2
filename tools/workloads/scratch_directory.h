// A directory of a benchmark's own, gone when it ends.
#ifndef ECF8_TOOLS_WORKLOADS_SCRATCH_DIRECTORY_H_
#define ECF8_TOOLS_WORKLOADS_SCRATCH_DIRECTORY_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace ecf8 {

class ScratchDirectory {
 public:
  // Of this user alone, a new one in `parent`; empty: where the system has such things.
  static absl::StatusOr<std::unique_ptr<ScratchDirectory>> Make(const std::string& parent = "");

  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_SCRATCH_DIRECTORY_H_
