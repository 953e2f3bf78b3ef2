// Starting a thread, with a Status where the system has none to give: std::thread can only throw.
#ifndef ECF8_LOADER_BASE_THREAD_H_
#define ECF8_LOADER_BASE_THREAD_H_

#include <functional>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"

namespace ecf8 {

// RESOURCE_EXHAUSTED: "<failure>: <what the system says>", `failure` being as in "cannot start the
// ring's thread".
absl::StatusOr<std::thread> StartThread(std::string_view failure, std::function<void()> body);

// Lets `thread` run on `core` alone. INVALID_ARGUMENT for a core that is not there, or not ours.
absl::Status PinThread(std::thread& thread, int core);

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_THREAD_H_
