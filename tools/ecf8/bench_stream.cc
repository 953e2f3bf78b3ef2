#include "tools/ecf8/bench_stream.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/engine/engine_timeline.h"
#include "loader/model/compressed_model.h"
#include "tools/ecf8/fio.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/tmpfs_copy.h"
#include "tools/workloads/model_walk.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

constexpr double kGiga = 1e9;

using Rows = std::vector<std::vector<std::string>>;

void Put(const std::string& key, const Samples& samples, nlohmann::ordered_json* report) {
  (*report)[key] = Median(samples);
  (*report)[key + "_range"] = {Quantile(samples, 0), Quantile(samples, 1)};
}

// What a model is in all.
struct ModelBytes {
  explicit ModelBytes(const CompressedModel& model) {
    for (uint32_t i = 0; i < model.unit_count(); ++i) {
      stored += model.unit(i).stored_size_bytes;
      decoded += model.unit(i).decoded_size_bytes;
    }
  }
  uint64_t stored = 0;
  uint64_t decoded = 0;
};

// The engine's walks over one model. The first of an engine is cold: its tiers are empty, and
// direct reads know no page cache.
class Walks {
 public:
  Walks(const BenchStreamOptions& options, std::shared_ptr<const CompressedModel> model)
      : options_(options), model_(std::move(model)), bytes_(*model_) {}

  absl::Status Run(int warm_walks) {
    ECF8_ASSIGN_OR_RETURN(const auto engine, Engine::Start(options_.engine, {model_}));
    engine->WaitUntilTouched();
    for (int walk = 0; walk <= warm_walks; ++walk) {
      ECF8_ASSIGN_OR_RETURN(
          const double seconds,
          WalkUnits(*engine, AllUnits(*model_), UnitForm::kDecoded, options_.ahead_bytes));
      (walk == 0 ? gbps_ : warm_gbps_)
          .push_back(static_cast<double>(bytes_.decoded) / seconds / kGiga);
    }
    reader_ = engine->reader_info();
    device_ = engine->device_info().name;
    return absl::OkStatus();
  }

  const CompressedModel& model() const { return *model_; }
  const ModelBytes& bytes() const { return bytes_; }
  const BlockReaderInfo& reader() const { return reader_; }
  const std::string& device() const { return device_; }
  bool direct() const { return reader_.buffered_files == 0; }
  const Samples& gbps() const { return gbps_; }
  const Samples& warm_gbps() const { return warm_gbps_; }

 private:
  const BenchStreamOptions& options_;
  const std::shared_ptr<const CompressedModel> model_;
  const ModelBytes bytes_;
  BlockReaderInfo reader_;
  std::string device_;
  Samples gbps_, warm_gbps_;
};

// fio, on the same shards.
class FioPeer {
 public:
  // The shards one after the other, the time weighted by their bytes.
  absl::Status Run(const CompressedModel& model, bool direct) {
    double seconds = 0;
    uint64_t bytes = 0;
    for (const Shard& shard : model.shards()) {
      const uint64_t size_bytes = shard.size_bytes / kMaxReadBytes * kMaxReadBytes;
      if (size_bytes == 0) continue;
      ECF8_ASSIGN_OR_RETURN(const double gbps, RunFioRead({shard.file.path(), size_bytes, direct,
                                                           /*huge_pages=*/false}));
      seconds += static_cast<double>(size_bytes) / gbps;
      bytes += size_bytes;
    }
    if (bytes == 0) return absl::InvalidArgumentError("the shards are too small for fio");
    gbps_.push_back(static_cast<double>(bytes) / seconds);
    return absl::OkStatus();
  }

  void Describe(const Samples& ours, Rows* rows, nlohmann::ordered_json* report) const {
    rows->push_back({"fio, the same files raw", Range(gbps_)});
    rows->push_back({"beside fio", Range(Ratios(ours, gbps_))});
    Put("stream_vs_fio", Ratios(ours, gbps_), report);
    Put("fio_gbps", gbps_, report);
  }

 private:
  Samples gbps_;
};

// What the engine's cores would reach if they read, hashed and decoded, and did nothing else.
class CoresPeer {
 public:
  explicit CoresPeer(const EngineOptions& engine)
      : cores_(engine.decode_threads > 0 ? static_cast<unsigned>(engine.decode_threads)
                                         : std::max(1u, std::thread::hardware_concurrency())) {}

  absl::Status Run(const CompressedModel& model, const ModelBytes& bytes) {
    ECF8_ASSIGN_OR_RETURN(const CoreRates rates, MeasureCore(model));
    const double stored_share =
        static_cast<double>(bytes.stored) / static_cast<double>(bytes.decoded);
    limit_gbps_.push_back(
        cores_ / (1 / rates.decode + stored_share * (1 / rates.read + 1 / rates.checksum)) / kGiga);
    read_gbps_.push_back(rates.read / kGiga);
    checksum_gbps_.push_back(rates.checksum / kGiga);
    decode_gbps_.push_back(rates.decode / kGiga);
    return absl::OkStatus();
  }

  void Describe(const Samples& ours, Rows* rows, nlohmann::ordered_json* report) const {
    rows->push_back({"  one core: read", Range(read_gbps_)});
    rows->push_back({"  one core: checksum", Range(checksum_gbps_)});
    rows->push_back({"  one core: decode", Range(decode_gbps_)});
    rows->push_back({"  the cores' limit", Range(limit_gbps_)});
    rows->push_back({"beside that limit", Range(Ratios(ours, limit_gbps_))});
    Put("stream_vs_model_tmpfs", Ratios(ours, limit_gbps_), report);
    Put("model_gbps", limit_gbps_, report);
    Put("core_read_gbps", read_gbps_, report);
    Put("core_checksum_gbps", checksum_gbps_, report);
    Put("core_decode_gbps", decode_gbps_, report);
    (*report)["cores"] = cores_;
  }

 private:
  const unsigned cores_;
  Samples limit_gbps_, read_gbps_, checksum_gbps_, decode_gbps_;
};

// Holds nothing: the memory is made as if it were to outlive the process, and goes with it.
class NoStore final : public DescriptorStore {
 public:
  Descriptor Take(const std::string& /*name*/) override { return {}; }
  absl::Status Put(const std::string& /*name*/, const Descriptor& /*descriptor*/) override {
    return absl::OkStatus();
  }
  void Remove(const std::string& /*name*/) override {}
};

// Engines on memory as outlives a daemon.
class KeptPeer {
 public:
  KeptPeer(BenchStreamOptions options, std::shared_ptr<const CompressedModel> model)
      : options_(std::move(options)), walks_(options_, std::move(model)) {
    options_.engine.descriptors = &store_;
  }

  absl::Status Run() { return walks_.Run(options_.warm_walks); }

  void Describe(const Walks& ours, Rows* rows, nlohmann::ordered_json* report) const {
    const Samples cold = Ratios(walks_.gbps(), ours.gbps());
    rows->push_back({"in memory that is kept", Range(walks_.gbps())});
    rows->push_back({"  beside the other", Range(cold)});
    Put("kept_vs_private", cold, report);
    if (options_.warm_walks == 0) return;
    const Samples warm = Ratios(walks_.warm_gbps(), ours.warm_gbps());
    rows->push_back({"  again, warm", Range(walks_.warm_gbps())});
    rows->push_back({"  beside the other", Range(warm)});
    Put("kept_warm_vs_private", warm, report);
  }

 private:
  NoStore store_;
  BenchStreamOptions options_;
  Walks walks_;
};

class StreamBench {
 public:
  StreamBench(const BenchStreamOptions& options,
              const std::shared_ptr<const CompressedModel>& model)
      : options_(options), walks_(options, model), cores_(options.engine) {
    if (options.with_kept) kept_.emplace(options, model);
  }

  absl::Status OnDisk(const CommandContext& context) {
    for (int run = 0; run < options_.runs; ++run) {
      if (*context.cancel) return absl::CancelledError("interrupted");
      // The first run asks our reader whether the files are read direct, for fio to do the same.
      const bool fio_first = options_.with_fio && run % 2 == 1;
      if (fio_first) ECF8_RETURN_IF_ERROR(fio_.Run(walks_.model(), walks_.direct()));
      if (kept_ && run % 2 == 1) ECF8_RETURN_IF_ERROR(kept_->Run());
      ECF8_RETURN_IF_ERROR(walks_.Run(options_.warm_walks));
      if (kept_ && run % 2 == 0) ECF8_RETURN_IF_ERROR(kept_->Run());
      if (options_.with_fio && !fio_first) {
        ECF8_RETURN_IF_ERROR(fio_.Run(walks_.model(), walks_.direct()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status InMemory(const CommandContext& context) {
    ECF8_ASSIGN_OR_RETURN(const auto copy, TmpfsCopy::Of(options_.directory));
    ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(copy->path()));
    tmpfs_walks_.emplace(options_, std::move(model));
    for (int run = 0; run < options_.runs; ++run) {
      if (*context.cancel) return absl::CancelledError("interrupted");
      ECF8_RETURN_IF_ERROR(tmpfs_walks_->Run(/*warm_walks=*/0));
      ECF8_RETURN_IF_ERROR(cores_.Run(tmpfs_walks_->model(), tmpfs_walks_->bytes()));
    }
    return absl::OkStatus();
  }

  void Print(bool json) const {
    nlohmann::ordered_json report;
    Rows rows = {{"decoded, through the pipeline", "GB/s"}};
    rows.push_back({walks_.direct() ? "from disk" : "buffered", Range(walks_.gbps())});
    Put("stream_gbps", walks_.gbps(), &report);
    if (options_.warm_walks > 0) {
      rows.push_back({"  again, warm", Range(walks_.warm_gbps())});
      Put("warm_gbps", walks_.warm_gbps(), &report);
    }
    if (kept_) kept_->Describe(walks_, &rows, &report);
    if (options_.with_fio) fio_.Describe(walks_.gbps(), &rows, &report);
    if (tmpfs_walks_) {
      rows.push_back({"from tmpfs", Range(tmpfs_walks_->gbps())});
      Put("stream_gbps_tmpfs", tmpfs_walks_->gbps(), &report);
      cores_.Describe(tmpfs_walks_->gbps(), &rows, &report);
    }
    report["stored_bytes"] = walks_.bytes().stored;
    report["decoded_bytes"] = walks_.bytes().decoded;
    report["runs"] = options_.runs;
    report["reader"] = walks_.reader().kind;
    report["device"] = walks_.device();
    report["queue_depth"] = walks_.reader().queue_depth;
    report["direct"] = walks_.direct();
    if (json) return PrintJson(report);
    std::fputs(FormatTable(rows, {false, true}).c_str(), stdout);
    std::printf("\n%s decoded, %s stored; %s, depth %u; medians (least..largest) of %d runs\n",
                FormatBytes(walks_.bytes().decoded).c_str(),
                FormatBytes(walks_.bytes().stored).c_str(), walks_.reader().kind.c_str(),
                walks_.reader().queue_depth, options_.runs);
  }

 private:
  const BenchStreamOptions& options_;
  Walks walks_;
  std::optional<KeptPeer> kept_;
  FioPeer fio_;
  std::optional<Walks> tmpfs_walks_;
  CoresPeer cores_;
};

}  // namespace

absl::Status RunBenchStream(const BenchStreamOptions& given, const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(given.directory));
  BenchStreamOptions options = given;
  std::unique_ptr<EngineTimeline> timeline;
  if (!options.trace.empty()) {
    ECF8_ASSIGN_OR_RETURN(timeline,
                          EngineTimeline::Create(options.trace, options.trace_limit_bytes));
    options.engine.observers.push_back(timeline.get());
  }
  StreamBench bench(options, model);
  ECF8_RETURN_IF_ERROR(bench.OnDisk(context));
  if (options.with_tmpfs) {
    const absl::Status status = bench.InMemory(context);
    if (absl::IsResourceExhausted(status)) {
      std::fprintf(stderr, "left out: %s\n", std::string(status.message()).c_str());
    } else {
      ECF8_RETURN_IF_ERROR(status);
    }
  }
  if (timeline != nullptr) {
    ECF8_RETURN_IF_ERROR(timeline->Close());
    const uint64_t left_out = timeline->info().left_out;
    if (left_out > 0) {
      std::fprintf(stderr, "the trace has no room for %" PRIu64 " events\n", left_out);
    }
  }
  bench.Print(context.json);
  return absl::OkStatus();
}

}  // namespace ecf8
