#include "tools/ecf8d/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "tools/ecf8d/metrics/metric_families.h"

namespace ecf8 {
namespace {

// The fields of /proc/self/stat behind the program's name, which may hold anything: the first is
// the third of proc(5).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

std::optional<double> BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  std::string key;
  double value = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    if (fields >> key >> value && key == "btime") return value;
  }
  return std::nullopt;
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const std::vector<std::string> stat = StatFields();
  if (stat.size() > 21) {
    const auto field = [&](size_t number) {
      return std::strtod(stat[number - 3].c_str(), nullptr);
    };
    families.push_back(CounterFamily("process_cpu_seconds_total",
                                     "User and system time in seconds.",
                                     {{{}, (field(14) + field(15)) / ticks}}));
    families.push_back(GaugeFamily("process_threads", "Threads.", {{{}, field(20)}}));
    families.push_back(
        GaugeFamily("process_virtual_memory_bytes", "Virtual memory in bytes.", {{{}, field(23)}}));
    families.push_back(GaugeFamily("process_resident_memory_bytes",
                                   "Resident memory in bytes, slots and arena included.",
                                   {{{}, field(24) * static_cast<double>(sysconf(_SC_PAGESIZE))}}));
    if (const auto boot_seconds = BootTimeSeconds()) {
      families.push_back(GaugeFamily("process_start_time_seconds",
                                     "Start, in seconds since the epoch.",
                                     {{{}, *boot_seconds + field(22) / ticks}}));
    }
  }
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  if (!error) {
    // The one that lists them is not counted.
    families.push_back(GaugeFamily("process_open_fds", "Open file descriptors.",
                                   {{{}, static_cast<double>(std::distance(open, {})) - 1}}));
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(GaugeFamily("process_max_fds", "File descriptors that may be open.",
                                   {{{}, static_cast<double>(limit.rlim_cur)}}));
  }
  return families;
}

}  // namespace ecf8
