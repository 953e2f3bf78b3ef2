#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/ecf8/bench_cache.h"
#include "tools/ecf8/bench_codec.h"
#include "tools/ecf8/commands.h"

namespace ecf8 {
namespace {

class BenchCommand : public Command {
 public:
  std::string_view name() const override { return "bench"; }
  std::string_view summary() const override {
    return "measure the codec and the cache beside their peers";
  }

  void AddOptions(CLI::App& app) override {
    CLI::App* codec = app.add_subcommand(
        "codec", "encode and decode beside zstd and memcpy, on the same tensors in the same run");
    codec->add_option("MODEL", codec_.model, "a plain model: directory or .safetensors file")
        ->required();
    codec->add_option("--threads", codec_.threads, "for the all-cores figures; 0: one a core")
        ->check(CLI::Range(0, 1024));
    codec->add_option("--runs", codec_.runs, "the median of so many interleaved runs counts")
        ->check(CLI::Range(1, 99));
    codec->add_option("--max-bytes", codec_.max_bytes, "of FP8 weights; the first so many are used")
        ->check(CLI::PositiveNumber);
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
        ->check(CLI::Range(1, 100'000));
    cache_app_->add_option("--seed", cache_.seed, "of the generated traces");
    app.require_subcommand(1);
  }

  absl::Status Run(const CommandContext& context) override {
    return cache_app_->parsed() ? RunBenchCache(cache_, context) : RunBenchCodec(codec_, context);
  }

 private:
  CLI::App* cache_app_ = nullptr;  // owned by its parent
  BenchCacheOptions cache_;
  BenchCodecOptions codec_;
};

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace ecf8
