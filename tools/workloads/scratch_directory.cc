#include "tools/workloads/scratch_directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"

namespace ecf8 {

namespace fs = std::filesystem;

absl::StatusOr<std::unique_ptr<ScratchDirectory>> ScratchDirectory::Make(
    const std::string& parent) {
  std::error_code ignored;
  std::string path = absl::StrCat(
      parent.empty() ? fs::temp_directory_path(ignored).string() : parent, "/ecf8-bench-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot make the directory ", Quoted(path)));
  }
  return std::unique_ptr<ScratchDirectory>(new ScratchDirectory(std::move(path)));
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace ecf8
