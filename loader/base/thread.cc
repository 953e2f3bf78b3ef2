#include "loader/base/thread.h"

#include <pthread.h>
#include <sched.h>

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

absl::Status PinThread(std::thread& thread, int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (core < 0 || core >= CPU_SETSIZE) {
    return absl::InvalidArgumentError(absl::StrCat("there is no core ", core));
  }
  CPU_SET(core, &set);
  const int error = pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
  if (error == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("cannot decode on core ", core, ": it is not ours"));
}

}  // namespace ecf8
