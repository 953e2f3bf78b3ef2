#include "tools/ecf8/tmpfs_copy.h"

#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

constexpr char kTmpfs[] = "/dev/shm";

uint64_t BytesIn(const fs::path& directory, std::error_code* error) {
  uint64_t bytes = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory, *error)) {
    if (entry.is_regular_file(*error)) bytes += entry.file_size(*error);
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TmpfsCopy>> TmpfsCopy::Of(const std::string& directory) {
  std::error_code error;
  const fs::space_info space = fs::space(kTmpfs, error);
  if (error) return absl::UnavailableError(absl::StrCat(kTmpfs, ": ", error.message()));
  const uint64_t bytes = BytesIn(directory, &error);
  if (error) return absl::UnavailableError(absl::StrCat(Quoted(directory), ": ", error.message()));
  if (bytes > space.available / 2) {
    return absl::ResourceExhaustedError(
        absl::StrCat(Quoted(directory), " is too large for ", kTmpfs, ": ", FormatBytes(bytes),
                     ", with ", FormatBytes(space.available), " free of which half may be used"));
  }
  ECF8_ASSIGN_OR_RETURN(auto scratch, ScratchDirectory::Make(kTmpfs));
  std::unique_ptr<TmpfsCopy> copy(new TmpfsCopy(std::move(scratch)));
  fs::copy(directory, copy->path(), fs::copy_options::recursive, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot copy ", Quoted(directory), " to ", kTmpfs, ": ", error.message()));
  }
  return copy;
}

}  // namespace ecf8
