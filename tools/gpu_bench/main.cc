// ecf8_gpu_bench: measures the CUDA decoder and the path to it on a GPU. One JSON document on
// stdout. Exit statuses: 0 done, 1 failed, 2 wrong usage, 3 there is no GPU, or no driver for it.
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "CLI/CLI.hpp"
#include "decoder/status_macros.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/model/compressed_model.h"
#include "nlohmann/json.hpp"
#include "tools/gpu_bench/bench_gpu.h"
#include "tools/gpu_bench/bench_weights.h"
#include "tools/gpu_bench/decode_bench.h"
#include "tools/gpu_bench/host_copy_bench.h"
#include "tools/gpu_bench/pipeline_bench.h"
#include "tools/gpu_bench/two_pass_cuda.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kNoGpu = 3;
constexpr uint64_t kBaseChunks = 32;  // of different weights; sizes above repeat them

struct Options {
  std::string model;  // whose weights are decoded; empty: synthetic ones
  uint64_t min_mweights = 1;
  uint64_t max_mweights = 4096;
  uint64_t max_copy_mib = 256;
  uint32_t pipeline_layers = 8;
  std::string scratch = ".";
  int runs = 9;
  bool probe = false;
};

absl::StatusOr<Json> MeasureDecoding(BenchGpu& gpu, const Options& options) {
  DecodeBenchOptions bench{.min_weights = options.min_mweights << 20,
                           .max_weights = options.max_mweights << 20,
                           .runs = options.runs};
  bench.two_pass = LaunchTwoPassDecode;
  if (options.model.empty()) return RunDecodeBench(gpu, SyntheticBenchWeights(kBaseChunks), bench);
  ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(options.model));
  ECF8_ASSIGN_OR_RETURN(const BenchWeights weights, ModelBenchWeights(*model, kBaseChunks));
  return RunDecodeBench(gpu, weights, bench);
}

absl::StatusOr<Json> MeasurePipeline(const Options& options) {
  std::string directory = options.scratch + "/ecf8-gpu-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    return absl::FailedPreconditionError("could not make " + directory);
  }
  PipelineBenchOptions bench{.directory = directory, .runs = options.runs};
  // 204 M weights a layer, in experts of 19 M and what is beside them.
  bench.shape.layers = options.pipeline_layers;
  bench.shape.experts = 8;
  bench.engine.device = "cuda:0";
  absl::StatusOr<Json> report = RunPipelineBench(bench);
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return report;
}

absl::StatusOr<Json> Measure(CudaCalls& cuda, const Options& options) {
  Json report;
  {
    ECF8_ASSIGN_OR_RETURN(const auto gpu, BenchGpu::Open(cuda, 0));
    report["gpu"] = gpu->name();
    report["multiprocessors"] = gpu->shape().multiprocessors;
    report["warps_a_block"] = gpu->shape().warps;
    report["blocks_a_multiprocessor"] = gpu->shape().blocks;
    ECF8_ASSIGN_OR_RETURN(report["decode"], MeasureDecoding(*gpu, options));
    ECF8_ASSIGN_OR_RETURN(
        report["host_copy"],
        RunHostCopyBench(*gpu, {.max_bytes = options.max_copy_mib << 20, .runs = options.runs}));
  }
  if (options.pipeline_layers > 0) {
    ECF8_ASSIGN_OR_RETURN(report["pipeline"], MeasurePipeline(options));
  }
  return report;
}

int Fail(const absl::Status& status, int exit_status) {
  std::fprintf(stderr, "ecf8_gpu_bench: %s\n", std::string(status.message()).c_str());
  return exit_status;
}

int Probe(CudaCalls& cuda) {
  const auto gpu = BenchGpu::Open(cuda, 0);
  if (!gpu.ok()) return Fail(gpu.status(), kFailed);
  std::printf("%s\n", (*gpu)->name().c_str());
  return 0;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures decoding on a GPU.", "ecf8_gpu_bench");
  app.add_option("--model", options.model, "a compressed model, whose weights are decoded");
  app.add_option("--min-mweights", options.min_mweights, "smallest launch, in 2^20 weights")
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--max-mweights", options.max_mweights, "largest launch, in 2^20 weights")
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--max-copy-mib", options.max_copy_mib, "largest copy from the host")
      ->check(CLI::Range(1, 1 << 14));
  app.add_option("--pipeline-layers", options.pipeline_layers,
                 "of the model that is streamed from the disk, 204 MB each; 0: none")
      ->check(CLI::Range(0, 1000));
  app.add_option("--scratch", options.scratch, "where that model is written")
      ->check(CLI::ExistingDirectory);
  app.add_option("--runs", options.runs, "of everything; medians count")->check(CLI::Range(1, 99));
  app.add_flag("--probe", options.probe, "print the GPU's name and measure nothing");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to tell; --help comes here too
    return app.exit(error) == 0 ? 0 : kWrongUsage;
  }
  const absl::StatusOr<CudaCalls*> cuda = RealCuda();
  if (!cuda.ok()) return Fail(cuda.status(), kNoGpu);
  if (options.probe) return Probe(**cuda);
  const absl::StatusOr<Json> report = Measure(**cuda, options);
  if (!report.ok()) return Fail(report.status(), kFailed);
  std::printf("%s\n", report->dump(2).c_str());
  return std::fflush(stdout) == 0 ? 0 : kFailed;
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) { return ecf8::Main(argc, argv); }
