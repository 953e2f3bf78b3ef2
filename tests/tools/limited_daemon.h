// Programs with less than the machine has: by prlimit, as another user, or with a full disk.
#ifndef ECF8_TESTS_TOOLS_LIMITED_DAEMON_H_
#define ECF8_TESTS_TOOLS_LIMITED_DAEMON_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/support/subprocess.h"

namespace ecf8::testing {

using Arguments = std::vector<std::string>;

// What prlimit calls `resource`, both limits.
inline Arguments WithLimit(const std::string& resource, uint64_t limit, const Arguments& program) {
  Arguments arguments = {"/usr/bin/prlimit", "--" + resource + "=" + std::to_string(limit) + ":" +
                                                 std::to_string(limit)};
  arguments.insert(arguments.end(), program.begin(), program.end());
  return arguments;
}

// Whether this process may give programs a disk of their own.
inline bool CanMount() {
  return RunProgram({"/usr/bin/unshare", "--mount", "true"}).exit_status == 0;
}

// With a file system of `size` (as mount takes it) at the directory `place`, which nobody else
// sees, and which holds a file "filler" of all but `free_bytes` of it. When the program has ended,
// the names of all other files there are on stdout, behind the line "left:".
inline Arguments OnSmallDisk(const std::string& place, uint64_t size_bytes, uint64_t free_bytes,
                             const Arguments& program) {
  static constexpr char kScript[] =
      "place=$1 size=$2 fill=$3; shift 3\n"
      "mount -t tmpfs -o size=$size tmpfs \"$place\" || exit 77\n"
      "head -c \"$fill\" /dev/zero > \"$place/filler\" || exit 77\n"
      "trap 'kill -TERM $program' TERM\n"
      "\"$@\" & program=$!\n"
      "wait $program; status=$?\n"
      "while kill -0 $program 2>/dev/null; do wait $program; status=$?; done\n"
      "echo left:; cd \"$place\" && find . -mindepth 1 ! -name filler\n"
      "exit $status\n";
  Arguments arguments = {"/usr/bin/unshare",
                         "--mount",
                         "/bin/bash",
                         "-c",
                         kScript,
                         "bash",
                         place,
                         std::to_string(size_bytes),
                         std::to_string(size_bytes - free_bytes)};
  arguments.insert(arguments.end(), program.begin(), program.end());
  return arguments;
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_LIMITED_DAEMON_H_
