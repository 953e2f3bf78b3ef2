#include "tools/ecf8/plan_measure.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "tools/ecf8/timed_reader.h"
#include "tools/workloads/memory_reader.h"
#include "tools/workloads/model_walk.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMostReadBytes = uint64_t{2} << 30;
constexpr uint64_t kMemoryBytes = uint64_t{256} << 20;
constexpr int kRuns = 3;
constexpr double kGiga = 1e9;
constexpr double kNoTime = 1e18;  // a rate

// Bytes a second, of the largest shard.
absl::StatusOr<double> MeasureDisk(const CompressedModel& model) {
  const auto largest =
      std::max_element(model.shards().begin(), model.shards().end(),
                       [](const Shard& a, const Shard& b) { return a.size_bytes < b.size_bytes; });
  const uint64_t size_bytes =
      std::min(largest->size_bytes, kMostReadBytes) / kMaxReadBytes * kMaxReadBytes;
  if (size_bytes == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model's shards are too small to measure the disk by: ", largest->size_bytes,
        " bytes"));
  }
  ECF8_ASSIGN_OR_RETURN(const auto reader, TimedReader::Open(largest->file.path(), {}));
  Samples gbps;
  for (int run = 0; run < kRuns; ++run) {
    ECF8_ASSIGN_OR_RETURN(const double rate, reader->Read(size_bytes));
    gbps.push_back(rate);
  }
  return Median(gbps) * kGiga;
}

// Bytes read a second, by all cores.
double MeasureReading() {
  const std::vector<uint8_t> bytes(kMemoryBytes, 1);
  MemoryReader reader;
  Samples rates;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    reader.Read(bytes);
    rates.push_back(kMemoryBytes / SecondsSince(begin));
  }
  return Median(rates);
}

}  // namespace

absl::StatusOr<Hardware> MeasureHost(const CompressedModel& model) {
  uint64_t stored_bytes = 0;
  uint64_t decoded_bytes = 0;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    stored_bytes += model.unit(i).stored_size_bytes;
    decoded_bytes += model.unit(i).decoded_size_bytes;
  }
  ECF8_ASSIGN_OR_RETURN(const double disk_rate, MeasureDisk(model));
  ECF8_ASSIGN_OR_RETURN(const CoreRates core, MeasureCore(model));
  const double stored_share =
      static_cast<double>(stored_bytes) / static_cast<double>(std::max<uint64_t>(decoded_bytes, 1));
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  struct sysinfo memory = {};
  if (sysinfo(&memory) != 0) return absl::InternalError("sysinfo failed");
  const uint64_t half_bytes = uint64_t{memory.totalram} * memory.mem_unit / 2;
  return Hardware{.name = "this-host",
                  .source = absl::StrCat("measured on ", model.name(), ", ", cores, " cores"),
                  .device_memory_bytes = std::max<uint64_t>(half_bytes, 1),
                  .device_rate = MeasureReading(),
                  .decode_rate = cores / (1 / core.decode + stored_share / core.checksum),
                  .compute_rate = kNoTime,
                  .host_to_device_rate = 0,
                  .host_memory_bytes = std::max<uint64_t>(half_bytes, 1),
                  .disk_rate = disk_rate};
}

}  // namespace ecf8
