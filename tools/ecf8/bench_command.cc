#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/ecf8/bench_codec.h"
#include "tools/ecf8/commands.h"

namespace ecf8 {
namespace {

class BenchCommand : public Command {
 public:
  std::string_view name() const override { return "bench"; }
  std::string_view summary() const override { return "measure this machine on a model's weights"; }

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
    app.require_subcommand(1);
  }

  absl::Status Run(const CommandContext& context) override {
    return RunBenchCodec(codec_, context);
  }

 private:
  BenchCodecOptions codec_;
};

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace ecf8
