#include "loader/checkpoint/directory_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

class Listing {
 public:
  explicit Listing(std::string root) : root_(std::move(root)) {}

  absl::StatusOr<std::vector<std::string>> Run() {
    ECF8_RETURN_IF_ERROR(ListDirectory(""));
    // `directories_` grows meanwhile.
    for (size_t i = 0; i < directories_.size(); ++i) {
      const std::string directory = directories_[i];
      ECF8_RETURN_IF_ERROR(ListDirectory(directory));
    }
    std::sort(files_.begin(), files_.end());
    return std::move(files_);
  }

 private:
  // `relative` is empty for the root, else ends without a slash.
  absl::Status ListDirectory(const std::string& relative) {
    const std::string path = relative.empty() ? root_ : absl::StrCat(root_, "/", relative);
    std::error_code error;
    for (fs::directory_iterator entry(path, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      ECF8_RETURN_IF_ERROR(Add(relative.empty() ? name : absl::StrCat(relative, "/", name)));
    }
    if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot list ", Quoted(path, 1024)));
    return absl::OkStatus();
  }

  absl::Status Add(std::string relative) {
    const std::string path = absl::StrCat(root_, "/", relative);
    const std::string shown = Quoted(path, 1024);
    if (++entry_count_ > kMaxDirectoryEntries) {
      return absl::FailedPreconditionError(absl::StrCat(Quoted(root_, 1024), " holds more than ",
                                                        kMaxDirectoryEntries, " files: no model"));
    }
    if (!IsValidUtf8(relative)) {
      return absl::InvalidArgumentError(absl::StrCat("the name of ", shown, " is not UTF-8"));
    }
    struct stat itself {};
    struct stat target {};
    if (::lstat(path.c_str(), &itself) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot look at ", shown));
    }
    if (::stat(path.c_str(), &target) != 0) {
      if (S_ISLNK(itself.st_mode) && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
        return absl::FailedPreconditionError(
            absl::StrCat(shown, " is a symbolic link that leads nowhere"));
      }
      return ErrnoStatus(errno, absl::StrCat("cannot look at ", shown));
    }
    if (S_ISREG(target.st_mode)) {
      files_.push_back(std::move(relative));
      return absl::OkStatus();
    }
    if (!S_ISDIR(target.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown, " is neither a file nor a directory"));
    }
    if (S_ISLNK(itself.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown, " is a symbolic link to a directory, which is not followed"));
    }
    if (std::count(relative.begin(), relative.end(), '/') + 1 >= kMaxDirectoryDepth) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown, " is nested deeper than ", kMaxDirectoryDepth, " directories"));
    }
    directories_.push_back(std::move(relative));
    return absl::OkStatus();
  }

  const std::string root_;
  std::vector<std::string> directories_;
  std::vector<std::string> files_;
  size_t entry_count_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory) {
  return Listing(directory).Run();
}

}  // namespace ecf8
