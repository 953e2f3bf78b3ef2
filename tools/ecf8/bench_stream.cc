#include "tools/ecf8/bench_stream.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/compressed_model.h"
#include "tools/ecf8/fio.h"
#include "tools/ecf8/model_walk.h"
#include "tools/ecf8/samples.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

constexpr double kGiga = 1e9;

class StreamBench {
 public:
  StreamBench(const BenchStreamOptions& options, std::shared_ptr<const CompressedModel> model)
      : options_(options), model_(std::move(model)) {
    for (uint32_t i = 0; i < model_->unit_count(); ++i) {
      stored_bytes_ += model_->unit(i).stored_size_bytes;
      decoded_bytes_ += model_->unit(i).decoded_size_bytes;
    }
    cores_ = options_.engine.decode_threads > 0
                 ? static_cast<unsigned>(options_.engine.decode_threads)
                 : std::max(1u, std::thread::hardware_concurrency());
  }

  absl::Status RunOnce(bool fio_first) {
    if (fio_first && options_.with_fio) ECF8_RETURN_IF_ERROR(RunFio());
    ECF8_RETURN_IF_ERROR(RunEngine());
    ECF8_ASSIGN_OR_RETURN(const CoreRates rates, MeasureCore(*model_));
    const double stored_share =
        static_cast<double>(stored_bytes_) / static_cast<double>(decoded_bytes_);
    model_gbps_.push_back(
        cores_ / (1 / rates.decode + stored_share * (1 / rates.read + 1 / rates.checksum)) / kGiga);
    read_gbps_.push_back(rates.read / kGiga);
    checksum_gbps_.push_back(rates.checksum / kGiga);
    decode_gbps_.push_back(rates.decode / kGiga);
    return !fio_first && options_.with_fio ? RunFio() : absl::OkStatus();
  }

  void PrintTable() const {
    std::vector<std::vector<std::string>> rows = {
        {"", "GB/s"},
        {"decoded, through the pipeline", Range(gbps_)},
        {"one core: read", Range(read_gbps_)},
        {"one core: checksum", Range(checksum_gbps_)},
        {"one core: decode", Range(decode_gbps_)},
        {"the cores' limit", Range(model_gbps_)},
        {"beside that limit", Range(Ratios(gbps_, model_gbps_))}};
    if (!fio_gbps_.empty()) {
      rows.push_back({"fio, the same files raw", Range(fio_gbps_)});
      rows.push_back({"beside fio", Range(Ratios(gbps_, fio_gbps_))});
    }
    std::fputs(FormatTable(rows, {false, true}).c_str(), stdout);
    std::printf("\n%s decoded, %s stored; %s, %s; medians (least..largest) of %zu runs\n",
                FormatBytes(decoded_bytes_).c_str(), FormatBytes(stored_bytes_).c_str(),
                reader_.kind.c_str(), reader_.buffered_files == 0 ? "direct" : "buffered",
                gbps_.size());
  }

  nlohmann::ordered_json Report() const {
    nlohmann::ordered_json report;
    const auto put = [&report](const std::string& key, const Samples& samples) {
      report[key] = Median(samples);
      report[key + "_range"] = {Quantile(samples, 0), Quantile(samples, 1)};
    };
    put("stream_gbps", gbps_);
    put("stream_vs_model", Ratios(gbps_, model_gbps_));
    if (!fio_gbps_.empty()) {
      put("stream_vs_fio", Ratios(gbps_, fio_gbps_));
      put("fio_gbps", fio_gbps_);
    }
    put("model_gbps", model_gbps_);
    put("core_read_gbps", read_gbps_);
    put("core_checksum_gbps", checksum_gbps_);
    put("core_decode_gbps", decode_gbps_);
    report["stored_bytes"] = stored_bytes_;
    report["decoded_bytes"] = decoded_bytes_;
    report["runs"] = gbps_.size();
    report["cores"] = cores_;
    report["reader"] = reader_.kind;
    report["direct"] = reader_.buffered_files == 0;
    return report;
  }

 private:
  // Cold: its tiers are empty, and direct reads know no page cache.
  absl::Status RunEngine() {
    ECF8_ASSIGN_OR_RETURN(const auto engine, Engine::Start(options_.engine, {model_}));
    engine->WaitUntilTouched();
    ECF8_ASSIGN_OR_RETURN(const double seconds,
                          WalkDecoded(*engine, *model_, options_.units_ahead));
    gbps_.push_back(static_cast<double>(decoded_bytes_) / seconds / kGiga);
    reader_ = engine->reader_info();
    return absl::OkStatus();
  }

  // The shards one after the other, the time weighted by their bytes.
  absl::Status RunFio() {
    double seconds = 0;
    uint64_t bytes = 0;
    for (const Shard& shard : model_->shards()) {
      const uint64_t size_bytes = shard.size_bytes / kMaxReadBytes * kMaxReadBytes;
      if (size_bytes == 0) continue;
      ECF8_ASSIGN_OR_RETURN(const double gbps,
                            RunFioRead({shard.file.path(), size_bytes, reader_.buffered_files == 0,
                                        /*huge_pages=*/false}));
      seconds += static_cast<double>(size_bytes) / gbps;
      bytes += size_bytes;
    }
    if (bytes == 0) return absl::InvalidArgumentError("the shards are too small for fio");
    fio_gbps_.push_back(static_cast<double>(bytes) / seconds);
    return absl::OkStatus();
  }

  const BenchStreamOptions& options_;
  const std::shared_ptr<const CompressedModel> model_;
  uint64_t stored_bytes_ = 0;
  uint64_t decoded_bytes_ = 0;
  unsigned cores_ = 1;
  BlockReaderInfo reader_;
  Samples gbps_, fio_gbps_, model_gbps_, read_gbps_, checksum_gbps_, decode_gbps_;
};

}  // namespace

absl::Status RunBenchStream(const BenchStreamOptions& options, const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(options.directory));
  StreamBench bench(options, std::move(model));
  for (int run = 0; run < options.runs; ++run) {
    if (*context.cancel) return absl::CancelledError("interrupted");
    // The first run asks our reader whether the files are read direct, for fio to do the same.
    ECF8_RETURN_IF_ERROR(bench.RunOnce(/*fio_first=*/run % 2 == 1));
  }
  if (context.json) {
    PrintJson(bench.Report());
  } else {
    bench.PrintTable();
  }
  return absl::OkStatus();
}

}  // namespace ecf8
