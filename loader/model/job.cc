#include "loader/model/job.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

// Whether `inner` is `outer` or below it. Both are canonical.
bool IsInside(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

absl::Status CheckDisjoint(const std::string& source, const std::string& destination) {
  std::error_code error;
  const std::filesystem::path from = std::filesystem::canonical(source, error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot open ", Quoted(source)));
  // A trailing slash would leave an empty last component, which is inside of nothing.
  std::filesystem::path to =
      std::filesystem::weakly_canonical(std::filesystem::absolute(destination, error) / ".", error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot open ", Quoted(destination)));
  if (!to.has_filename()) to = to.parent_path();
  if (IsInside(to, from) || IsInside(from, to)) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(source), " and ", Quoted(destination),
                                                   " must not be the same or inside one another"));
  }
  return absl::OkStatus();
}

int ThreadCount(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace ecf8
