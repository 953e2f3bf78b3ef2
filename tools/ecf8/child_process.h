// This program once more, in a process of its own, so that what it takes can be told from what the
// caller takes.
#ifndef ECF8_TOOLS_ECF8_CHILD_PROCESS_H_
#define ECF8_TOOLS_ECF8_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"
#include "tools/ecf8/resident_set.h"

namespace ecf8 {

class ChildProcess {
 public:
  // With these arguments, and stdin that ends when the child is to end.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(std::vector<std::string> arguments);

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  // Asks it to end, and waits until it has.
  ~ChildProcess();

  // The processors' time of all its threads since it began.
  absl::StatusOr<double> CpuSeconds() const;
  absl::StatusOr<ResidentSet> Resident() const;

 private:
  ChildProcess(pid_t pid, Descriptor input) : pid_(pid), input_(std::move(input)) {}

  const pid_t pid_;
  Descriptor input_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_CHILD_PROCESS_H_
