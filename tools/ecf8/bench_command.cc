#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tools/ecf8/bench_cache.h"
#include "tools/ecf8/bench_codec.h"
#include "tools/ecf8/bench_experts.h"
#include "tools/ecf8/bench_moe_model.h"
#include "tools/ecf8/bench_offload.h"
#include "tools/ecf8/bench_plan.h"
#include "tools/ecf8/bench_read.h"
#include "tools/ecf8/bench_resident.h"
#include "tools/ecf8/bench_rpc.h"
#include "tools/ecf8/bench_scale.h"
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
    return "measure the codec, the reader, the pipeline, the cache and the service, most beside "
           "peers";
  }

  void AddArguments(Arguments arguments) override {
    AddCodec(arguments);
    AddRead(arguments);
    AddStream(arguments);
    AddExperts(arguments);
    AddMoeModel(arguments);
    AddPlan(arguments);
    AddScale(arguments);
    AddOffload(arguments);
    AddResident(arguments);
    AddRpc(arguments);
    AddCache(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    for (const Bench& bench : benches_) {
      if (bench.arguments.given()) return bench.run(context);
    }
    return UsageError("name a benchmark");
  }

 private:
  struct Bench {
    Arguments arguments;
    std::function<absl::Status(const CommandContext& context)> run;
  };

  Arguments AddBench(Arguments arguments, std::string_view name, std::string_view summary,
                     std::function<absl::Status(const CommandContext& context)> run) {
    return benches_.emplace_back(Bench{arguments.AddSubcommand(name, summary), std::move(run)})
        .arguments;
  }

  absl::Status RunCodec(const CommandContext& context) {
    if (codec_.model.empty() && codec_.synthetic_bytes == 0) {
      return UsageError("name a MODEL, or give --synthetic SIZE");
    }
    return RunBenchCodec(codec_, context);
  }

  absl::Status RunMoeModel(const CommandContext& context) {
    if (moe_model_.shape.hidden % 128 != 0) return UsageError("--hidden: a multiple of 128");
    moe_model_.experts_per_token = std::min(moe_model_.experts_per_token, moe_model_.shape.experts);
    return RunBenchMoeModel(moe_model_, context);
  }

  void AddCodec(Arguments arguments) {
    Arguments codec =
        AddBench(arguments, "codec",
                 "encode and decode beside zstd and memcpy, on the same tensors in the same run",
                 [this](const CommandContext& context) { return RunCodec(context); });
    const Argument model =
        codec.Add("MODEL", codec_.model, "a plain model: directory or .safetensors file");
    codec
        .AddSize("--synthetic", codec_.synthetic_bytes,
                 "instead of a model: so many bytes of weights made up, e.g. 64MB")
        .Range(1, kMaxSyntheticBytes)
        .Excludes(model);
    codec.Add("--threads", codec_.threads, "for the all-cores figures; 0: one a core")
        .Range(0, 1024);
    codec.Add("--runs", codec_.runs, "the median of so many interleaved runs counts").Range(1, 99);
    codec
        .Add("--max-bytes", codec_.max_bytes,
             "of FP8 weights; the units that hold the first so many are used")
        .Positive();
  }

  void AddRead(Arguments arguments) {
    Arguments read =
        AddBench(arguments, "read", "read a large file beside fio, in the same run",
                 [this](const CommandContext& context) { return RunBenchRead(read_, context); });
    read.Add("DIR", read_.directory,
             "its largest shard is read; without one of --size, a scratch file there")
        .Required();
    read.AddSize("--size", read_.size_bytes, "of one pass, as in 2GiB");
    read.Add("--runs", read_.runs, "the median of so many interleaved runs counts").Range(1, 999);
    read.Add("--queue-depth", read_.queue_depths, "reads in flight; several: each")
        .Range(1, kMaxQueueDepth);
    read.Add("--fio-huge-pages", read_.fio_huge_pages,
             "fio's buffers in reserved huge pages (sysctl vm.nr_hugepages)");
    read.AddChoice("--backend", read_.backend, "what reads on our side",
                   {{"auto", BlockReaderBackend::kAuto},
                    {"io_uring", BlockReaderBackend::kIoUring},
                    {"threads", BlockReaderBackend::kThreads}});
  }

  void AddCache(Arguments arguments) {
    Arguments cache =
        AddBench(arguments, "cache",
                 "hit rates of the replacement policy beside LRU, LFU, S3-FIFO and Belady",
                 [this](const CommandContext& context) { return RunBenchCache(cache_, context); });
    cache.Add("--trace", cache_.trace, "a recorded trace; without it, generated ones are replayed");
    cache
        .Add("--budget", cache_.budget_bytes,
             "of memory, in bytes, for --trace; may be given several times")
        .Positive();
    cache.Add("--layers", cache_.layers, "of the generated models, 256 experts each").Range(1, 256);
    cache.Add("--tokens", cache_.tokens, "of the generated traces").Range(1, 10'000);
    cache.Add("--seed", cache_.seed, "of the generated traces");
  }

  // What of an engine may be set.
  static void AddEngine(Arguments arguments, EngineOptions& engine) {
    arguments.AddSize("--host-budget", engine.host_budget_bytes, "as in 1GiB");
    arguments.AddSize("--slot-budget", engine.slot_budget_bytes, "as in 1GiB");
    arguments.Add("--threads", engine.decode_threads, "that decode; 0: one a core").Range(0, 1024);
  }

  static void AddDevice(Arguments arguments, EngineOptions& engine) {
    arguments.Add("--device", engine.device, "host, cuda:N, or auto");
    arguments.AddSize("--device-budget", engine.device_budget_bytes,
                      "for compressed units on the device, as in 1GiB");
  }

  void AddExperts(Arguments arguments) {
    Arguments experts = AddBench(
        arguments, "experts", "a model with experts, token by token, beside the cache simulator",
        [this](const CommandContext& context) { return RunBenchExperts(experts_, context); });
    experts.Add("DIR", experts_.directory, "a compressed model").Required();
    AddEngine(experts, experts_.engine);
    AddDevice(experts, experts_.engine);
    experts.Add("--tokens", experts_.tokens, "passes over the model").Range(1, 1'000'000);
    experts.Add("--experts", experts_.experts_per_token, "of a layer for a token").Range(1, 1024);
    experts.Add("--skew", experts_.traffic.skew, "of the Zipf law, a layer's experts")
        .RealRange(0, 4);
    experts.Add("--drift", experts_.traffic.drift_tokens,
                "experts change their ranks after so many tokens; 0: never");
    experts.Add("--seed", experts_.seed, "of the experts that are chosen");
    experts.AddChoice(
        "--use", experts_.use, "of a unit: check all bytes, read them on all cores, or nothing",
        {{"check", UnitUse::kCheck}, {"read", UnitUse::kRead}, {"none", UnitUse::kNone}});
  }

  static void AddShape(Arguments arguments, MoeShape& shape) {
    arguments.Add("--layers", shape.layers, "of the model").Range(1, 256);
    arguments.Add("--experts", shape.experts, "of a layer").Range(1, 1024);
    arguments.Add("--hidden", shape.hidden, "a multiple of 128").Range(128, 16'384);
    arguments.Add("--expert-width", shape.expert_width, "rows of an expert's projections")
        .Range(1, 16'384);
  }

  void AddMoeModel(Arguments arguments) {
    Arguments moe_model =
        AddBench(arguments, "moe-model",
                 "make a model with experts, as DeepSeek-V3's, straight into its stored form",
                 [this](const CommandContext& context) { return RunMoeModel(context); });
    moe_model.Add("DST", moe_model_.directory, "the directory to make").Required();
    AddShape(moe_model, moe_model_.shape);
    moe_model
        .Add("--experts-per-token", moe_model_.experts_per_token,
             "of a layer, as config.json has it; at most all")
        .Range(1, 1024);
    moe_model.Add("--seed", moe_model_.seed, "of the weights");
    moe_model_.job.AddThreads(moe_model);
    moe_model_.job.AddForce(moe_model);
  }

  void AddPlan(Arguments arguments) {
    Arguments plan =
        AddBench(arguments, "plan",
                 "what `ecf8 plan` computes for this machine, beside what the engine does",
                 [this](const CommandContext& context) { return RunBenchPlan(plan_, context); });
    plan.Add("DIR", plan_.directory, "a compressed model").Required();
    plan.Add("--host", plan_.host_percent,
             "memory for compressed units, in percent of all; several: each, with its --slots")
        .Range(1, 1000);
    plan.Add("--slots", plan_.slot_percent, "for decoded ones, likewise").Range(1, 1000);
    plan.Add("--tokens", plan_.tokens, "that count").Range(1, 1'000'000);
    plan.Add("--warm", plan_.warm_tokens, "before them").Range(0, 1'000'000);
    plan.Add("--runs", plan_.runs, "the median counts").Range(1, 999);
    plan.Add("--skew", plan_.skew, "of the Zipf law, a layer's experts").RealRange(0, 4);
    plan.Add("--seed", plan_.seed, "of the experts that are chosen");
  }

  void AddScale(Arguments arguments) {
    Arguments scale =
        AddBench(arguments, "scale",
                 "DeepSeek-V3's 15,104 experts through the daemon, on a modelled machine",
                 [this](const CommandContext& context) { return RunBenchScale(scale_, context); });
    scale.Add("DIR", scale_.directory, "made where it is not there: little but headers").Required();
    AddShape(scale, scale_.shape);
    scale.Add("--vocabulary", scale_.shape.vocabulary, "of the model").Range(1, 1 << 20);
    scale.Add("--hardware", scale_.hardware, "the machine, as `ecf8 plan` knows it");
    scale.Add("--speed", scale_.speed, "of it, in its own; 0: all that it does takes no time")
        .RealRange(0, 1e6);
    scale.Add("--tokens", scale_.tokens, "that count").Range(0, 1'000'000);
    scale.Add("--warm", scale_.warm_tokens, "before them").Range(0, 1'000'000);
    scale.Add("--checked", scale_.checked_tokens, "then, with real bytes, each compared")
        .Range(0, 1000);
    scale.AddSize("--checked-budget", scale_.checked_budget_bytes,
                  "for these, of host memory and of slots");
    scale.Add("--skew", scale_.skew, "of the Zipf law, a layer's experts").RealRange(0, 4);
    scale.Add("--seed", scale_.seed, "of weights and choices");
    scale.Add("--serve", scale_.serve, "be only the daemon of the bench, at this socket");
    scale.Add("--with-bytes", scale_.with_bytes, "of that daemon: the units' bytes are real");
    scale.AddSize("--host-budget", scale_.host_bytes, "of that daemon");
    scale.AddSize("--frame-budget", scale_.frame_bytes, "of that daemon, on the device");
    scale.AddSize("--slot-budget", scale_.slot_bytes, "of that daemon");
  }

  void AddOffload(Arguments arguments) {
    Arguments offload = AddBench(
        arguments, "offload",
        "walks as an engine would make them, through sessions: stalls, beside what could be had",
        [this](const CommandContext& context) { return RunBenchOffload(offload_, context); });
    offload
        .Add("MODEL", offload_.model,
             "a compressed model; with --daemon ADDRESS, a name that it serves")
        .Required();
    offload.Add("--daemon", offload_.daemon, "use the daemon at unix:PATH, not one of our own");
    offload.AddSize("--host-budget", offload_.host_budget_bytes, "of our own daemon, as in 1GiB");
    offload.AddSize("--slots", offload_.slot_bytes, "that the clients share, as in 64MiB");
    offload.Add("--layers", offload_.layers_only, "walk over units named layers.N alone");
    offload.Add("--compute-ms", offload_.compute_ms, "that a unit is used for; its client sleeps")
        .RealRange(0, 60'000);
    offload.Add("--depth", offload_.depth, "units kept ready beyond the two that a client has")
        .Range(0, 64);
    offload.Add("--resident", offload_.resident,
                "by resident sessions: the model stays in slots, also when they have ended");
    offload.Add("--form", offload_.form, "that the slots hold: compressed (as stored) or decoded")
        .OneOf({"compressed", "decoded"});
    offload.Add("--clients", offload_.clients, "at once").Range(1, 64);
    offload.Add("--passes", offload_.passes, "of each client").Range(1, 1'000'000);
    offload.Add("--against", offload_.against,
                "compare every decoded byte with this plain model: a directory or .safetensors "
                "file");
  }

  void AddResident(Arguments arguments) {
    Arguments resident = AddBench(
        arguments, "resident", "how long an engine that restarts takes to have its weights again",
        [this](const CommandContext& context) { return RunBenchResident(resident_, context); });
    resident.Add("DIR", resident_.model, "a compressed model").Required();
    resident.AddSize("--host-budget", resident_.host_budget_bytes, "as in 1GiB");
    resident.Add("--attaches", resident_.attaches, "after the first").Range(1, 10'000);
    resident.Add("--against", resident_.against,
                 "compare every byte with this plain model: a directory or .safetensors file");
  }

  void AddStream(Arguments arguments) {
    Arguments stream = AddBench(
        arguments, "stream", "a model through the whole pipeline, decoded and cold, beside fio",
        [this](const CommandContext& context) { return RunBenchStream(stream_, context); });
    stream.Add("DIR", stream_.directory, "a compressed model").Required();
    AddEngine(stream, stream_.engine);
    AddDevice(stream, stream_.engine);
    stream.Add("--runs", stream_.runs, "the median of so many interleaved runs counts")
        .Range(1, 999);
    stream.AddSize("--ahead", stream_.ahead_bytes, "decoded bytes asked for ahead");
    stream.Add("--queue-depth", stream_.engine.reader.queue_depth, "reads in flight")
        .Range(1, kMaxQueueDepth);
    stream
        .Add("--warm", stream_.warm_walks,
             "so many more walks of each engine, whose tiers are filled")
        .Range(0, 9999);
    stream.Add("!--no-fio", stream_.with_fio, "leave fio out");
    stream.Add("!--no-tmpfs", stream_.with_tmpfs, "leave out the same on a copy in memory");
    stream.Add("--kept", stream_.with_kept, "beside it, the same in memory as outlives a daemon");
    stream.Add("--trace", stream_.trace,
               "draw what happens to units into this new file, for ui.perfetto.dev");
    stream.AddSize("--trace-limit", stream_.trace_limit_bytes, "of that file, as in 1GiB");
  }

  void AddRpc(Arguments arguments) {
    Arguments rpc =
        AddBench(arguments, "rpc",
                 "fetches and acquires beside gRPC that does nothing else, in the same process",
                 [this](const CommandContext& context) { return RunBenchRpc(rpc_, context); });
    rpc.Add("MODEL", rpc_.model, "a compressed model").Required();
    AddEngine(rpc, rpc_.engine);
    rpc.Add("--runs", rpc_.runs, "of fetches; the median counts").Range(1, 999);
    rpc.Add("--rounds", rpc_.rounds, "of acquires").Range(1, 1'000'000);
  }

  std::vector<Bench> benches_;
  BenchCodecOptions codec_;
  BenchReadOptions read_;
  BenchStreamOptions stream_;
  BenchExpertsOptions experts_;
  BenchMoeModelOptions moe_model_;
  BenchPlanOptions plan_;
  BenchScaleOptions scale_;
  BenchCacheOptions cache_;
  BenchOffloadOptions offload_;
  BenchResidentOptions resident_;
  BenchRpcOptions rpc_;
};

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace ecf8
