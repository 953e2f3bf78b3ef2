// absl::Status as Python's exceptions, and the signals that end a call.
//
// Nothing else of the project throws: these are how nanobind carries a Python error through C++.
#ifndef ECF8_PYTHON_SRC_NATIVE_ERRORS_H_
#define ECF8_PYTHON_SRC_NATIVE_ERRORS_H_

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ecf8::python {

// Throws what ecf8._errors makes of `status`, which is not OK. Holding the GIL.
[[noreturn]] void Raise(const absl::Status& status);

inline void RaiseIfError(const absl::Status& status) {
  if (!status.ok()) Raise(status);
}

template <typename T>
T ValueOrRaise(absl::StatusOr<T> value) {
  RaiseIfError(value.status());
  return *std::move(value);
}

// How long ^C may go unseen.
inline constexpr std::chrono::milliseconds kSignalInterval{100};

// Lets ^C end what runs without the GIL on the thread that called. Thread-compatible.
class SignalWatch {
 public:
  // CANCELLED, then and from then on, where a signal's handler has raised; looks once in a
  // kSignalInterval at most. Without the GIL.
  absl::Status Poll();

  // What the handler raised, or else what `status` says. Holding the GIL.
  void RaiseIfError(const absl::Status& status) const;

 private:
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
  bool raised_ = false;
};

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_ERRORS_H_
