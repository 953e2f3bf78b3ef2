#include "loader/base/thread.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"

namespace ecf8 {

absl::StatusOr<std::thread> StartThread(std::string_view failure, std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat(ToAbsl(failure), ": ", error.what()));
  }
}

}  // namespace ecf8
