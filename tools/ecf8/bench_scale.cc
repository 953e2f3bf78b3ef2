#include "tools/ecf8/bench_scale.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/strings.h"
#include "loader/model/compressed_model.h"
#include "loader/planning/plan.h"
#include "rpc/grpc_log.h"
#include "tools/ecf8/child_process.h"
#include "tools/ecf8/expert_steps.h"
#include "tools/ecf8/progress.h"
#include "tools/ecf8/scale_walk.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/repeated_model.h"
#include "tools/workloads/samples.h"
#include "tools/workloads/scratch_directory.h"

namespace ecf8 {
namespace {

constexpr std::chrono::seconds kStartTimeout(60);
constexpr std::chrono::milliseconds kLook(1);
// Of what a session may have: the rest is for what the cache keeps and others fetch.
constexpr uint64_t kSessionPercent = 90;

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// Every byte of the set, as the daemon decoded it, beside its tensor's checksum.
absl::Status CheckSet(const CompressedModel& model, const LeasedSet& set, uint64_t* bytes) {
  for (size_t i = 0; i < set.size(); ++i) {
    const Unit& unit = model.unit(set.unit_index(i));
    for (const Piece& piece : unit.pieces) {
      const auto decoded =
          set.unit(i).subspan(piece.decoded_offset_bytes, piece.decoded_size_bytes);
      if (Xxh3(decoded) != piece.decoded_xxh3) {
        return absl::DataLossError(absl::StrCat("unit ", Quoted(unit.id), ", tensor ",
                                                Quoted(piece.tensor), ": wrong bytes"));
      }
      *bytes += decoded.size();
    }
  }
  return set.Check();
}

// A daemon, and what its start took.
class ScaleServer {
 public:
  static absl::StatusOr<std::unique_ptr<ScaleServer>> Start(
      const std::string& directory, const std::vector<std::string>& arguments) {
    std::unique_ptr<ScaleServer> self(new ScaleServer);
    ECF8_ASSIGN_OR_RETURN(self->scratch_, ScratchDirectory::Make());
    self->address_.socket_path = self->scratch_->path() + "/ecf8.sock";
    std::vector<std::string> all = {"bench", "scale", directory, "--serve",
                                    self->address_.socket_path};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto begin = std::chrono::steady_clock::now();
    ECF8_ASSIGN_OR_RETURN(self->process_, ChildProcess::Start(std::move(all)));
    ECF8_RETURN_IF_ERROR(self->WaitUntilReady());
    self->start_seconds_ = SecondsSince(begin);
    ECF8_ASSIGN_OR_RETURN(self->start_cpu_seconds_, self->process_->CpuSeconds());
    ECF8_ASSIGN_OR_RETURN(self->start_resident_, self->process_->Resident());
    return self;
  }

  const Address& address() const { return address_; }
  const ChildProcess& process() const { return *process_; }
  double start_seconds() const { return start_seconds_; }  // until it has listed its models
  double start_cpu_seconds() const { return start_cpu_seconds_; }
  const ResidentSet& start_resident() const { return start_resident_; }

 private:
  absl::Status WaitUntilReady() {
    const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
    while (true) {
      // Its socket is there a moment before somebody listens.
      const auto client = WeightClient::Connect(address_, kStartTimeout);
      if (client.ok()) return (*client)->ListModels().status();
      if (std::chrono::steady_clock::now() > deadline) return client.status();
      std::this_thread::sleep_for(kLook);
    }
  }

  std::unique_ptr<ScratchDirectory> scratch_;
  Address address_;
  std::unique_ptr<ChildProcess> process_;  // ends before its directory goes
  double start_seconds_ = 0;
  double start_cpu_seconds_ = 0;
  ResidentSet start_resident_;
};

class ScaleBench {
 public:
  ScaleBench(const BenchScaleOptions& options, Hardware hardware)
      : options_(options), hardware_(std::move(hardware)) {}

  absl::Status Run(const CommandContext& context) {
    ECF8_ASSIGN_OR_RETURN(model_, CompressedModel::Open(RepeatedModelPath(options_.directory)));
    layers_ = ListScaleLayers(*model_, options_.shape.layers);
    ECF8_RETURN_IF_ERROR(PlanMemory());
    if (options_.tokens > 0) ECF8_RETURN_IF_ERROR(RunModelled(context));
    if (options_.checked_tokens > 0) ECF8_RETURN_IF_ERROR(RunChecked(context));
    return absl::OkStatus();
  }

  nlohmann::ordered_json Report() const {
    uint64_t manifest_bytes = 0;
    uint64_t header_bytes = 0;
    uint64_t apparent_bytes = 0;
    for (const Shard& shard : model_->shards()) {
      manifest_bytes += shard.manifest_size_bytes;
      header_bytes += shard.header.data_offset();
      apparent_bytes += shard.size_bytes;
    }
    uint32_t experts = 0;
    for (uint32_t i = 0; i < model_->unit_count(); ++i) {
      experts += model_->unit(i).id.find(".experts.") != std::string::npos ? 1 : 0;
    }
    nlohmann::ordered_json report = {{"units", model_->unit_count()},
                                     {"experts", experts},
                                     {"shards", model_->shards().size()},
                                     {"shard_bytes", apparent_bytes},
                                     {"manifest_bytes", manifest_bytes},
                                     {"header_bytes", header_bytes},
                                     {"hardware", hardware_.name},
                                     {"speed", options_.speed},
                                     {"host_budget_bytes", host_bytes_},
                                     {"frame_budget_bytes", frame_bytes_},
                                     {"slot_budget_bytes", slot_bytes_},
                                     {"planned_tokens_per_second", planned_tokens_per_second_}};
    report.update(modelled_);
    report.update(checked_);
    return report;
  }

 private:
  // What lies where, as the plan has it.
  absl::Status PlanMemory() {
    ECF8_ASSIGN_OR_RETURN(
        ModelShape shape,
        ShapeOfModel(*model_, MoeConfig(options_.shape, options_.experts_per_token)));
    Planner planner(std::move(shape), options_.skew);
    const Plan plan = planner.MakePlan(hardware_, {.batches = {1}});
    const PlanRow& row = plan.rows.front();
    if (!row.fits) return absl::InvalidArgumentError("the model does not fit the machine");
    planned_tokens_per_second_ = row.tokens_per_second;
    frame_bytes_ = static_cast<uint64_t>(row.resident_stored_bytes);
    const uint64_t cache_bytes = planner.model().cache_token_bytes * PlanOptions().context_tokens;
    slot_bytes_ = hardware_.device_memory_bytes - frame_bytes_ - cache_bytes;
    host_bytes_ = hardware_.host_memory_bytes;
    const double decode = row.decoded_weights / hardware_.decode_rate;
    const double supply = std::max(row.bus_bytes / hardware_.host_to_device_rate,
                                   row.disk_bytes / hardware_.disk_rate);
    compute_seconds_ = std::max(0.0, row.step_seconds - supply - decode);
    return absl::OkStatus();
  }

  uint64_t TokenBytes() const {
    uint64_t bytes = 0;
    for (const ScaleLayer& layer : layers_) {
      for (const uint32_t unit : layer.dense) bytes += model_->unit(unit).decoded_size_bytes;
      for (uint32_t i = 0; i < options_.experts_per_token && !layer.experts.empty(); ++i) {
        bytes += model_->unit(layer.experts[i]).decoded_size_bytes;
      }
    }
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<ScaleWalk>> OpenWalk(const ScaleServer& server,
                                                      ScaleWalkOptions walk) const {
    walk.address = server.address();
    walk.model = model_->name();
    walk.layers = layers_;
    return ScaleWalk::Open(walk);
  }

  absl::Status Walk(const CommandContext& context, ScaleWalk& walk, uint32_t first,
                    uint32_t count) {
    ExpertSteps steps;
    for (const ScaleLayer& layer : layers_) steps.layers += layer.experts.empty() ? 0 : 1;
    steps.experts = options_.shape.experts;
    if (choices_.empty()) {
      choices_ = DrawExperts(steps, options_.experts_per_token, {.skew = options_.skew},
                             options_.warm_tokens + options_.tokens + options_.checked_tokens,
                             options_.seed);
    }
    // Decoded, about: the walk over the experts differs by token, their size does not.
    const uint64_t token_bytes = TokenBytes();
    ProgressReporter progress("walk");
    for (uint32_t i = 0; i < count; ++i) {
      if (*context.cancel) return absl::CancelledError("interrupted");
      ECF8_RETURN_IF_ERROR(walk.Token(
          absl::MakeConstSpan(choices_).subspan(size_t{first + i} * steps.layers, steps.layers)));
      progress.Update((i + 1) * token_bytes, count * token_bytes);
    }
    progress.Finish();
    return absl::OkStatus();
  }

  absl::Status RunModelled(const CommandContext& context) {
    ECF8_ASSIGN_OR_RETURN(
        const auto server,
        ScaleServer::Start(
            options_.directory,
            {"--hardware", hardware_.name, "--speed", absl::StrCat(options_.speed), "--host-budget",
             absl::StrCat(host_bytes_), "--frame-budget", absl::StrCat(frame_bytes_),
             "--slot-budget", absl::StrCat(slot_bytes_)}));
    ScaleWalkOptions walk_options{.slot_bytes = slot_bytes_ / 100 * kSessionPercent};
    if (options_.speed > 0) {
      walk_options.layer_compute = std::chrono::nanoseconds(static_cast<int64_t>(
          1e9 * compute_seconds_ / options_.speed / static_cast<double>(layers_.size())));
    }
    ECF8_ASSIGN_OR_RETURN(const auto walk, OpenWalk(*server, walk_options));
    ECF8_RETURN_IF_ERROR(Walk(context, *walk, 0, options_.warm_tokens));
    walk->ForgetTimes();
    ECF8_ASSIGN_OR_RETURN(const double cpu_before, server->process().CpuSeconds());
    ECF8_ASSIGN_OR_RETURN(const auto before, walk->client().GetStatus());
    const auto begin = std::chrono::steady_clock::now();
    ECF8_RETURN_IF_ERROR(Walk(context, *walk, options_.warm_tokens, options_.tokens));
    const double seconds = SecondsSince(begin);
    ECF8_ASSIGN_OR_RETURN(const double cpu_after, server->process().CpuSeconds());
    ECF8_ASSIGN_OR_RETURN(const ResidentSet resident, server->process().Resident());
    ECF8_ASSIGN_OR_RETURN(const auto after, walk->client().GetStatus());
    modelled_ = {
        {"start_seconds", server->start_seconds()},
        {"start_cpu_seconds", server->start_cpu_seconds()},
        {"start_resident_bytes", server->start_resident().now_bytes},
        {"start_resident_peak_bytes", server->start_resident().peak_bytes},
        {"resident_bytes", resident.now_bytes},
        {"open_session_seconds", walk->open_seconds()},
        {"tokens", options_.tokens},
        {"tokens_per_second", options_.tokens / seconds},
        {"daemon_cpu_ms_per_token", 1e3 * (cpu_after - cpu_before) / options_.tokens},
        {"experts_p50_us", Median(walk->expert_us())},
        {"experts_p99_us", Quantile(walk->expert_us(), 0.99)},
        {"dense_p50_us", Median(walk->dense_us())},
        {"dense_p99_us", Quantile(walk->dense_us(), 0.99)},
        {"read_bytes_per_token",
         (after.pipeline().read_bytes() - before.pipeline().read_bytes()) / options_.tokens},
    };
    return absl::OkStatus();
  }

  absl::Status RunChecked(const CommandContext& context) {
    const std::string budget = absl::StrCat(options_.checked_budget_bytes);
    ECF8_ASSIGN_OR_RETURN(const auto server, ScaleServer::Start(options_.directory,
                                                                {"--with-bytes", "--host-budget",
                                                                 budget, "--slot-budget", budget}));
    uint64_t bytes = 0;
    ScaleWalkOptions walk_options{.slot_bytes =
                                      options_.checked_budget_bytes / 100 * kSessionPercent};
    walk_options.use = [&](const LeasedSet& set) { return CheckSet(*model_, set, &bytes); };
    ECF8_ASSIGN_OR_RETURN(const auto walk, OpenWalk(*server, walk_options));
    const auto begin = std::chrono::steady_clock::now();
    ECF8_RETURN_IF_ERROR(
        Walk(context, *walk, options_.warm_tokens + options_.tokens, options_.checked_tokens));
    checked_ = {{"checked_tokens", options_.checked_tokens},
                {"checked_bytes", bytes},
                {"checked_seconds", SecondsSince(begin)}};
    return absl::OkStatus();
  }

  const BenchScaleOptions& options_;
  const Hardware hardware_;
  std::shared_ptr<const CompressedModel> model_;
  std::vector<ScaleLayer> layers_;
  std::vector<std::vector<uint32_t>> choices_;
  uint64_t host_bytes_ = 0;
  uint64_t frame_bytes_ = 0;
  uint64_t slot_bytes_ = 0;
  double compute_seconds_ = 0;  // of a token
  double planned_tokens_per_second_ = 0;
  nlohmann::ordered_json modelled_ = nlohmann::ordered_json::object();
  nlohmann::ordered_json checked_ = nlohmann::ordered_json::object();
};

}  // namespace

absl::Status RunBenchScale(const BenchScaleOptions& given, const CommandContext& context) {
  BenchScaleOptions options = given;
  options.shape.dense_layers = std::min(options.shape.dense_layers, options.shape.layers - 1);
  options.experts_per_token = std::min(options.experts_per_token, options.shape.experts);
  ECF8_ASSIGN_OR_RETURN(Hardware hardware, FindHardware(options.hardware));
  SilenceGrpcLog();
  if (!options.serve.empty()) {
    return RunScaleDaemon({.directory = options.directory,
                           .socket_path = options.serve,
                           .host_bytes = options.host_bytes,
                           .frame_bytes = options.frame_bytes,
                           .slot_bytes = options.slot_bytes,
                           .with_bytes = options.with_bytes,
                           .hardware = std::move(hardware),
                           .speed = options.speed});
  }
  if (!Exists(options.directory)) {
    ECF8_RETURN_IF_ERROR(WriteRepeatedModel({.shape = options.shape,
                                             .experts_per_token = options.experts_per_token,
                                             .seed = options.seed},
                                            options.directory, context.cancel));
  }
  ScaleBench bench(options, std::move(hardware));
  ECF8_RETURN_IF_ERROR(bench.Run(context));
  PrintJson(bench.Report());
  return absl::OkStatus();
}

}  // namespace ecf8
