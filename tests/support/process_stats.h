// What another process uses of the machine, as /proc tells it: to see that it uses no more in the
// end than in the beginning.
#ifndef ECF8_TESTS_SUPPORT_PROCESS_STATS_H_
#define ECF8_TESTS_SUPPORT_PROCESS_STATS_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace ecf8::testing {

struct ProcessStats {
  uint64_t resident_bytes = 0;       // all of it
  uint64_t resident_anon_bytes = 0;  // its heap, and memory of its own
  size_t threads = 0;
  size_t descriptors = 0;
  double cpu_seconds = 0;  // of all its threads, so far
};

// Zeros where there is no such process.
inline ProcessStats ReadProcessStats(pid_t pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  ProcessStats stats;
  std::ifstream status(directory + "/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string key;
    uint64_t value = 0;
    words >> key >> value;
    if (key == "VmRSS:") stats.resident_bytes = value << 10;
    if (key == "RssAnon:") stats.resident_anon_bytes = value << 10;
    if (key == "Threads:") stats.threads = value;
  }
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry(directory + "/fd", ignored);
       !ignored && entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    ++stats.descriptors;
  }
  std::ifstream stat(directory + "/stat");
  std::string line;
  std::getline(stat, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return stats;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  constexpr int kBeforeUserTime = 11;  // state and what follows
  for (int i = 0; i < kBeforeUserTime; ++i) fields >> field;
  uint64_t user_ticks = 0, system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  stats.cpu_seconds =
      static_cast<double>(user_ticks + system_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return stats;
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_PROCESS_STATS_H_
