// `ecf8 bench read`: how fast our reader is beside fio, on one file.
#ifndef ECF8_TOOLS_ECF8_BENCH_READ_H_
#define ECF8_TOOLS_ECF8_BENCH_READ_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "loader/io/block_reader.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchReadOptions {
  std::string directory;
  uint64_t size_bytes = uint64_t{2} << 30;  // of one pass; rounded down to 4 MiB, at least one
  int runs = 15;
  std::vector<uint32_t> queue_depths = {BlockReaderOptions{}.queue_depth};
  BlockReaderBackend backend = BlockReaderBackend::kAuto;
  bool fio_huge_pages = false;  // as FioRead::huge_pages
};

// In every run, fio and then our reader at each depth (the other way round in every other run) read
// the same bytes. Prints medians, and the median of the ratios run by run. Page caches have no part
// in it where the file system reads direct.
absl::Status RunBenchRead(const BenchReadOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_READ_H_
