// How many descriptors this process has open: to see that none is left.
#ifndef ECF8_TESTS_SUPPORT_OPEN_DESCRIPTORS_H_
#define ECF8_TESTS_SUPPORT_OPEN_DESCRIPTORS_H_

#include <dirent.h>

#include <cstddef>

namespace ecf8::testing {

// With the one that counting takes, each time.
inline size_t OpenDescriptors() {
  size_t count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_OPEN_DESCRIPTORS_H_
