#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/ecf8/bench_cache.h"
#include "tools/ecf8/bench_codec.h"
#include "tools/ecf8/bench_experts.h"
#include "tools/ecf8/bench_moe_model.h"
#include "tools/ecf8/bench_read.h"
#include "tools/ecf8/bench_stream.h"
#include "tools/ecf8/commands.h"

namespace ecf8 {
namespace {

// All of them are held in memory, several times.
constexpr uint64_t kMaxSyntheticBytes = 8'000'000'000;

class BenchCommand : public Command {
 public:
  std::string_view name() const override { return "bench"; }
  std::string_view summary() const override {
    return "measure the codec, the reader, the pipeline and the cache, most beside their peers";
  }

  void AddOptions(CLI::App& app) override {
    AddCodec(app);
    AddRead(app);
    AddStream(app);
    AddExperts(app);
    AddMoeModel(app);
    AddCache(app);
    app.require_subcommand(1);
  }

  absl::Status Run(const CommandContext& context) override {
    if (read_app_->parsed()) return RunBenchRead(read_, context);
    if (stream_app_->parsed()) return RunBenchStream(stream_, context);
    if (experts_app_->parsed()) return RunBenchExperts(experts_, context);
    if (moe_model_app_->parsed()) {
      if (moe_model_.shape.hidden % 128 != 0) return UsageError("--hidden: a multiple of 128");
      return RunBenchMoeModel(moe_model_, context);
    }
    if (cache_app_->parsed()) return RunBenchCache(cache_, context);
    if (codec_.model.empty() && codec_.synthetic_bytes == 0) {
      return UsageError("name a MODEL, or give --synthetic SIZE");
    }
    return RunBenchCodec(codec_, context);
  }

 private:
  void AddCodec(CLI::App& app) {
    CLI::App* codec = app.add_subcommand(
        "codec", "encode and decode beside zstd and memcpy, on the same tensors in the same run");
    CLI::Option* model =
        codec->add_option("MODEL", codec_.model, "a plain model: directory or .safetensors file");
    codec
        ->add_option("--synthetic", codec_.synthetic_bytes,
                     "instead of a model: so many bytes of weights made up, e.g. 64MB")
        ->transform(CLI::AsSizeValue(true))
        ->check(CLI::Range(uint64_t{1}, kMaxSyntheticBytes))
        ->excludes(model);
    codec->add_option("--threads", codec_.threads, "for the all-cores figures; 0: one a core")
        ->check(CLI::Range(0, 1024));
    codec->add_option("--runs", codec_.runs, "the median of so many interleaved runs counts")
        ->check(CLI::Range(1, 99));
    codec
        ->add_option("--max-bytes", codec_.max_bytes,
                     "of FP8 weights; the units that hold the first so many are used")
        ->check(CLI::PositiveNumber);
  }

  void AddRead(CLI::App& app) {
    read_app_ = app.add_subcommand("read", "read a large file beside fio, in the same run");
    read_app_
        ->add_option("DIR", read_.directory,
                     "its largest shard is read; without one of --size, a scratch file there")
        ->required();
    read_app_->add_option("--size", read_.size_bytes, "of one pass, as in 2GiB")
        ->transform(CLI::AsSizeValue(false));
    read_app_->add_option("--runs", read_.runs, "the median of so many interleaved runs counts")
        ->check(CLI::Range(1, 999));
    read_app_->add_option("--queue-depth", read_.queue_depths, "reads in flight; several: each")
        ->check(CLI::Range(uint32_t{1}, kMaxQueueDepth));
    read_app_->add_flag("--fio-huge-pages", read_.fio_huge_pages,
                        "fio's buffers in reserved huge pages (sysctl vm.nr_hugepages)");
    const std::map<std::string, BlockReaderBackend> backends = {
        {"auto", BlockReaderBackend::kAuto},
        {"io_uring", BlockReaderBackend::kIoUring},
        {"threads", BlockReaderBackend::kThreads}};
    read_app_->add_option("--backend", read_.backend, "what reads on our side")
        ->transform(CLI::CheckedTransformer(backends))
        ->option_text("auto|io_uring|threads");
  }

  void AddCache(CLI::App& app) {
    cache_app_ = app.add_subcommand(
        "cache", "hit rates of the replacement policy beside LRU, LFU, S3-FIFO and Belady");
    cache_app_->add_option("--trace", cache_.trace,
                           "a recorded trace; without it, generated ones are replayed");
    cache_app_
        ->add_option("--budget", cache_.budget_bytes,
                     "of memory, in bytes, for --trace; may be given several times")
        ->check(CLI::PositiveNumber);
    cache_app_->add_option("--layers", cache_.layers, "of the generated models, 256 experts each")
        ->check(CLI::Range(1, 256));
    cache_app_->add_option("--tokens", cache_.tokens, "of the generated traces")
        ->check(CLI::Range(1, 10'000));
    cache_app_->add_option("--seed", cache_.seed, "of the generated traces");
  }

  // What of an engine may be set.
  static void AddEngine(CLI::App& app, EngineOptions& engine) {
    app.add_option("--host-budget", engine.host_budget_bytes, "as in 1GiB")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--slot-budget", engine.slot_budget_bytes, "as in 1GiB")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--threads", engine.decode_threads, "that decode; 0: one a core")
        ->check(CLI::Range(0, 1024));
  }

  void AddExperts(CLI::App& app) {
    experts_app_ = app.add_subcommand(
        "experts", "a model with experts, token by token, beside the cache simulator");
    experts_app_->add_option("DIR", experts_.directory, "a compressed model")->required();
    AddEngine(*experts_app_, experts_.engine);
    experts_app_->add_option("--tokens", experts_.tokens, "passes over the model")
        ->check(CLI::Range(1, 1'000'000));
    experts_app_->add_option("--experts", experts_.experts_per_token, "of a layer for a token")
        ->check(CLI::Range(1, 1024));
    experts_app_->add_option("--skew", experts_.traffic.skew, "of the Zipf law, a layer's experts")
        ->check(CLI::Range(0.0, 4.0));
    experts_app_->add_option("--drift", experts_.traffic.drift_tokens,
                             "experts change their ranks after so many tokens; 0: never");
    experts_app_->add_option("--seed", experts_.seed, "of the experts that are chosen");
  }

  void AddMoeModel(CLI::App& app) {
    moe_model_app_ = app.add_subcommand(
        "moe-model", "make a model with experts, as DeepSeek-V3's, straight into its stored form");
    moe_model_app_->add_option("DST", moe_model_.directory, "the directory to make")->required();
    MoeShape& shape = moe_model_.shape;
    moe_model_app_->add_option("--layers", shape.layers)->check(CLI::Range(1, 256));
    moe_model_app_->add_option("--experts", shape.experts, "of a layer")
        ->check(CLI::Range(1, 1024));
    moe_model_app_->add_option("--hidden", shape.hidden, "a multiple of 128")
        ->check(CLI::Range(128, 16'384));
    moe_model_app_->add_option("--expert-width", shape.expert_width)->check(CLI::Range(1, 16'384));
    moe_model_app_->add_option("--seed", moe_model_.seed, "of the weights");
    moe_model_.job.AddThreads(*moe_model_app_);
    moe_model_.job.AddForce(*moe_model_app_);
  }

  void AddStream(CLI::App& app) {
    stream_app_ = app.add_subcommand(
        "stream", "a model through the whole pipeline, decoded and cold, beside fio");
    stream_app_->add_option("DIR", stream_.directory, "a compressed model")->required();
    stream_app_->add_option("--device", stream_.engine.device, "host, cuda:N, or auto");
    AddEngine(*stream_app_, stream_.engine);
    stream_app_
        ->add_option("--device-budget", stream_.engine.device_budget_bytes,
                     "for compressed units on the device, as in 1GiB")
        ->transform(CLI::AsSizeValue(false));
    stream_app_->add_option("--runs", stream_.runs, "the median of so many interleaved runs counts")
        ->check(CLI::Range(1, 999));
    stream_app_->add_option("--ahead", stream_.ahead_bytes, "decoded bytes asked for ahead")
        ->transform(CLI::AsSizeValue(false));
    stream_app_->add_option("--queue-depth", stream_.engine.reader.queue_depth, "reads in flight")
        ->check(CLI::Range(uint32_t{1}, kMaxQueueDepth));
    stream_app_
        ->add_option("--warm", stream_.warm_walks,
                     "so many more walks of each engine, whose tiers are filled")
        ->check(CLI::Range(0, 9999));
    stream_app_->add_flag("!--no-fio", stream_.with_fio, "leave fio out");
    stream_app_->add_flag("!--no-tmpfs", stream_.with_tmpfs,
                          "leave out the same on a copy in memory");
    stream_app_->add_option("--trace", stream_.trace,
                            "draw what happens to units into this new file, for ui.perfetto.dev");
    stream_app_->add_option("--trace-limit", stream_.trace_limit_bytes, "of that file, as in 1GiB")
        ->transform(CLI::AsSizeValue(false));
  }

  BenchCodecOptions codec_;
  CLI::App* read_app_ = nullptr;  // CLI11's
  BenchReadOptions read_;
  CLI::App* stream_app_ = nullptr;
  BenchStreamOptions stream_;
  CLI::App* experts_app_ = nullptr;
  BenchExpertsOptions experts_;
  CLI::App* moe_model_app_ = nullptr;
  BenchMoeModelOptions moe_model_;
  CLI::App* cache_app_ = nullptr;
  BenchCacheOptions cache_;
};

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace ecf8
