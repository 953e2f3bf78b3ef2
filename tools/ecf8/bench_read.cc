#include "tools/ecf8/bench_read.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "tools/ecf8/fio.h"
#include "tools/ecf8/scratch_file.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/timed_reader.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

// Our reader at one depth.
struct Side {
  uint32_t queue_depth = 0;
  std::unique_ptr<TimedReader> reader;
  Samples gbps;
};

class ReadBench {
 public:
  ReadBench(const BenchReadOptions& options, std::string path, uint64_t size_bytes)
      : options_(options), path_(std::move(path)), size_bytes_(size_bytes) {}

  absl::Status Open() {
    for (const uint32_t depth : options_.queue_depths) {
      Side& side = sides_.emplace_back();
      side.queue_depth = depth;
      ECF8_ASSIGN_OR_RETURN(side.reader, TimedReader::Open(path_, {.backend = options_.backend,
                                                                   .queue_depth = depth}));
    }
    return absl::OkStatus();
  }

  absl::Status RunOnce(bool fio_first) {
    if (fio_first) ECF8_RETURN_IF_ERROR(RunFio());
    for (Side& side : sides_) {
      ECF8_ASSIGN_OR_RETURN(const double gbps, side.reader->Read(size_bytes_));
      side.gbps.push_back(gbps);
    }
    return fio_first ? absl::OkStatus() : RunFio();
  }

  bool direct() const { return sides_.front().reader->info().direct_files > 0; }
  BlockReaderInfo info() const { return sides_.front().reader->info(); }
  const std::vector<Side>& sides() const { return sides_; }
  const Samples& fio_gbps() const { return fio_gbps_; }

 private:
  absl::Status RunFio() {
    ECF8_ASSIGN_OR_RETURN(const double gbps,
                          RunFioRead({path_, size_bytes_, direct(), options_.fio_huge_pages}));
    fio_gbps_.push_back(gbps);
    return absl::OkStatus();
  }

  const BenchReadOptions& options_;
  const std::string path_;
  const uint64_t size_bytes_;
  std::vector<Side> sides_;
  Samples fio_gbps_;
};

void PrintTable(const ReadBench& bench) {
  std::vector<std::vector<std::string>> rows = {
      {"", "depth", "GB/s", "beside fio"},
      {"fio", "32", Range(bench.fio_gbps()), ""},
  };
  for (const Side& side : bench.sides()) {
    rows.push_back({"ecf8", std::to_string(side.queue_depth), Range(side.gbps),
                    Range(Ratios(side.gbps, bench.fio_gbps()))});
  }
  std::fputs(FormatTable(rows, {false, true, true, true}).c_str(), stdout);
  const BlockReaderInfo info = bench.info();
  std::printf("\n%s, %s, %s in registered buffers; medians (least..largest) of %zu runs\n",
              info.kind.c_str(), bench.direct() ? "direct" : "buffered",
              FormatBytes(info.registered_bytes).c_str(), bench.fio_gbps().size());
}

nlohmann::ordered_json Figures(const Side& side, const Samples& fio_gbps) {
  const Samples ratios = Ratios(side.gbps, fio_gbps);
  nlohmann::ordered_json figures;
  figures["queue_depth"] = side.queue_depth;
  figures["read_vs_fio"] = Median(ratios);
  figures["read_vs_fio_quartiles"] = {Quantile(ratios, 0.25), Quantile(ratios, 0.75)};
  figures["read_vs_fio_range"] = {Quantile(ratios, 0), Quantile(ratios, 1)};
  figures["read_gbps"] = Median(side.gbps);
  return figures;
}

// The figures of the first depth stand at the top, so that a script need not look for them.
nlohmann::ordered_json Report(const ReadBench& bench, uint64_t size_bytes, bool fio_huge_pages) {
  nlohmann::ordered_json report = Figures(bench.sides().front(), bench.fio_gbps());
  const BlockReaderInfo info = bench.info();
  report["fio_gbps"] = Median(bench.fio_gbps());
  report["bytes"] = size_bytes;
  report["runs"] = bench.fio_gbps().size();
  report["reader"] = info.kind;
  report["fallback_reason"] = info.fallback_reason;
  report["direct"] = bench.direct();
  report["fio_huge_pages"] = fio_huge_pages;
  report["registered_bytes"] = info.registered_bytes;
  report["registration_problem"] = info.registration_problem;
  for (const Side& side : bench.sides()) {
    report["depths"].push_back(Figures(side, bench.fio_gbps()));
  }
  return report;
}

}  // namespace

absl::Status RunBenchRead(const BenchReadOptions& options, const CommandContext& context) {
  const uint64_t size_bytes =
      std::max<uint64_t>(options.size_bytes / kMaxReadBytes, 1) * kMaxReadBytes;
  ECF8_ASSIGN_OR_RETURN(const std::unique_ptr<ScratchFile> file,
                        ScratchFile::Find(options.directory, size_bytes, *context.cancel));
  ReadBench bench(options, file->path(), size_bytes);
  ECF8_RETURN_IF_ERROR(bench.Open());
  for (int run = 0; run < options.runs; ++run) {
    if (*context.cancel) return absl::CancelledError("interrupted");
    ECF8_RETURN_IF_ERROR(bench.RunOnce(/*fio_first=*/run % 2 == 0));
  }
  if (context.json) {
    PrintJson(Report(bench, size_bytes, options.fio_huge_pages));
  } else {
    PrintTable(bench);
  }
  return absl::OkStatus();
}

}  // namespace ecf8
