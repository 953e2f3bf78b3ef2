// A directory that appears under its name only when it is complete.
//
// It is built beside its destination, under a hidden name, and renamed into place by Commit.
// Without a Commit (an error, ^C, a full disk) the destructor removes what was built. What a killed
// process left behind is removed by the next Create for the same destination: a lock on the staging
// directory, which the kernel drops with its owner, tells the dead from the living.
//
// One that is to be gone on with after an error or a kill has a name that is found again: Resume.
#ifndef ECF8_LOADER_BASE_STAGED_DIRECTORY_H_
#define ECF8_LOADER_BASE_STAGED_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ecf8 {

// fsync of a directory: what was renamed into it survives a crash.
absl::Status SyncDirectory(const std::string& path);

class StagedDirectory {
 public:
  // ALREADY_EXISTS where `destination` exists and `replace` is false. With `replace` the old
  // directory stays until Commit, which exchanges the two atomically and then removes the old one.
  static absl::StatusOr<StagedDirectory> Create(const std::string& destination, bool replace);

  // The one that an earlier Resume for the same destination has left unfinished, or a new one:
  // ".NAME.ecf8-partial" beside the destination. FAILED_PRECONDITION while another has it, in this
  // process or another, and where what has that name is no directory of this user's. Otherwise as
  // Create.
  static absl::StatusOr<StagedDirectory> Resume(const std::string& destination, bool replace);

  StagedDirectory(StagedDirectory&& other) noexcept;
  StagedDirectory& operator=(StagedDirectory&&) = delete;
  StagedDirectory(const StagedDirectory&) = delete;
  ~StagedDirectory();

  // Where to build. Files in it must have been synced by whoever wrote them.
  const std::string& path() const { return path_; }

  // From here on what is there stays without a Commit, too. One that Resume has found does anyway.
  void Keep() { kept_ = true; }

  // Syncs every directory inside, renames, syncs the parent.
  absl::Status Commit();

 private:
  StagedDirectory(std::string destination, std::string path, int lock_fd, bool replace);

  std::string destination_;
  std::string path_;
  int lock_fd_ = -1;
  bool replace_ = false;
  bool kept_ = false;
  bool committed_ = false;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_STAGED_DIRECTORY_H_
