#include "tools/ecf8/bench_plan.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/strings.h"
#include "loader/engine/engine.h"
#include "loader/model/compressed_model.h"
#include "loader/model/other_files.h"
#include "loader/planning/model_shape.h"
#include "loader/planning/plan.h"
#include "tools/ecf8/expert_steps.h"
#include "tools/ecf8/expert_walk.h"
#include "tools/ecf8/plan_measure.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/memory_reader.h"
#include "tools/workloads/model_walk.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 20;
constexpr uint64_t kAheadOfSlots = 16;  // a part

uint64_t PercentOf(double bytes, uint32_t percent) {
  return static_cast<uint64_t>(bytes / 100 * percent);
}

// One of the memories, and what came of it.
struct Memory {
  uint64_t host_bytes = 0;
  uint64_t slot_bytes = 0;
  Samples planned{};  // tokens a second
  Samples real{};
  PlanRow row{};  // of the last run
  EngineStats stats{};
};

class PlanBench {
 public:
  PlanBench(const BenchPlanOptions& options, std::shared_ptr<const CompressedModel> model,
            ModelShape shape)
      : options_(options), model_(std::move(model)), planner_(std::move(shape), options.skew) {
    const double used = static_cast<double>(planner_.model().decoded_bytes());
    for (size_t i = 0; i < options.host_percent.size(); ++i) {
      memories_.push_back(
          {.host_bytes = PercentOf(planner_.model().stored_bytes(), options.host_percent[i]),
           .slot_bytes = PercentOf(used, options.slot_percent[i])});
    }
  }

  absl::Status Run(const CommandContext& context) {
    ECF8_RETURN_IF_ERROR(ListSteps());
    for (int run = 0; run < options_.runs; ++run) {
      ECF8_ASSIGN_OR_RETURN(hardware_, MeasureHost(*model_));
      for (Memory& memory : memories_) {
        if (*context.cancel) return absl::CancelledError("interrupted");
        Compute(memory);
        ECF8_RETURN_IF_ERROR(Measure(memory));
      }
    }
    return absl::OkStatus();
  }

  void PrintTable() const {
    std::vector<std::vector<std::string>> rows = {
        {"HOST", "SLOTS", "PLAN, TOKENS/S", "ENGINE", "PLAN / ENGINE", "BOUND BY"}};
    for (const Memory& memory : memories_) {
      rows.push_back({FormatBytes(memory.host_bytes), FormatBytes(memory.slot_bytes),
                      Range(memory.planned), Range(memory.real),
                      Range(Ratios(memory.planned, memory.real)),
                      std::string(PlanStageName(memory.row.binding))});
    }
    std::fputs(FormatTable(rows, {true, true, true, true, true, false}).c_str(), stdout);
    std::printf("\n%s, %s decoded; %u tokens after %u; medians (least..largest) of %d runs\n",
                Printable(model_->name()).c_str(),
                FormatBytes(planner_.model().decoded_bytes()).c_str(), options_.tokens,
                options_.warm_tokens, options_.runs);
  }

  nlohmann::ordered_json Report() const {
    nlohmann::ordered_json memories = nlohmann::ordered_json::array();
    const auto range = [](const Samples& samples) {
      return nlohmann::ordered_json{Quantile(samples, 0), Quantile(samples, 1)};
    };
    for (const Memory& memory : memories_) {
      const Samples ratios = Ratios(memory.planned, memory.real);
      const TierStats& slots = memory.stats.slots;
      const TierStats& host = memory.stats.host;
      memories.push_back({{"host_bytes", memory.host_bytes},
                          {"slot_bytes", memory.slot_bytes},
                          {"planned_tokens_per_second", Median(memory.planned)},
                          {"tokens_per_second", Median(memory.real)},
                          {"tokens_per_second_range", range(memory.real)},
                          {"planned_vs_real", Median(ratios)},
                          {"planned_vs_real_range", range(ratios)},
                          {"binding", std::string(PlanStageName(memory.row.binding))},
                          {"planned_slot_hits", memory.row.device_hit_rate},
                          {"planned_memory_hits", memory.row.memory_hit_rate},
                          {"planned_disk_bytes", memory.row.disk_bytes},
                          {"read_bytes", memory.stats.read_bytes},
                          {"decoded_bytes", memory.stats.decoded_bytes},
                          {"slot_hits", slots.hits},
                          {"slot_misses", slots.misses},
                          {"host_hits", host.hits}});
    }
    return {{"model", model_->name()},
            {"tokens", options_.tokens},
            {"warm_tokens", options_.warm_tokens},
            {"runs", options_.runs},
            {"skew", options_.skew},
            {"hardware", nlohmann::ordered_json::parse(HardwareJson(hardware_), nullptr, false)},
            {"memories", std::move(memories)}};
  }

 private:
  bool has_experts() const { return planner_.model().experts > 0; }

  // What a token uses. Of an embedding that is no head it uses a row: nothing to stream.
  absl::Status ListSteps() {
    const auto is_lookup = [this](uint32_t unit) {
      return planner_.model().lookup.decoded_bytes() > 0 &&
             model_->unit(unit).id.starts_with("embed");
    };
    dense_ = AllUnits(*model_);
    std::erase_if(dense_, is_lookup);
    if (!has_experts()) return absl::OkStatus();
    ECF8_ASSIGN_OR_RETURN(steps_, ListExpertSteps(*model_));
    for (ExpertStep& step : steps_.steps) std::erase_if(step.dense, is_lookup);
    choices_ = DrawExperts(steps_, planner_.model().experts_per_token, {.skew = options_.skew},
                           options_.warm_tokens + options_.tokens, options_.seed);
    return absl::OkStatus();
  }

  void Compute(Memory& memory) {
    hardware_.device_memory_bytes = memory.slot_bytes;
    hardware_.host_memory_bytes = memory.host_bytes;
    memory.row = planner_.MakePlan(hardware_, {.batches = {1}, .context_tokens = 0}).rows.front();
    memory.planned.push_back(memory.row.tokens_per_second);
  }

  absl::Status Measure(Memory& memory) {
    EngineOptions engine_options;
    engine_options.host_budget_bytes = memory.host_bytes;
    engine_options.slot_budget_bytes = memory.slot_bytes;
    ECF8_ASSIGN_OR_RETURN(const auto engine, Engine::Start(engine_options, {model_}));
    engine->WaitUntilTouched();
    const UseUnit use = [this](const HeldUnit& held) {
      reader_.Read(held.slot_dev());
      return absl::OkStatus();
    };
    ExpertWalk walk(*engine, steps_, use);
    const auto tokens = [&](uint32_t first, uint32_t count) -> absl::Status {
      if (!has_experts()) return WalkDense(*engine, memory, count, use);
      for (uint32_t i = first; i < first + count; ++i) {
        ECF8_RETURN_IF_ERROR(walk.Token(
            absl::MakeConstSpan(choices_).subspan(size_t{i} * steps_.layers, steps_.layers)));
      }
      return absl::OkStatus();
    };
    ECF8_RETURN_IF_ERROR(tokens(0, options_.warm_tokens));
    const EngineStats before = engine->stats();
    const auto begin = std::chrono::steady_clock::now();
    ECF8_RETURN_IF_ERROR(tokens(options_.warm_tokens, options_.tokens));
    memory.real.push_back(options_.tokens / SecondsSince(begin));
    memory.stats = Since(before, engine->stats());
    return absl::OkStatus();
  }

  // As one walk: what is ahead is so over the end of a token, too.
  absl::Status WalkDense(Engine& engine, const Memory& memory, uint32_t tokens,
                         const UseUnit& use) const {
    std::vector<uint32_t> units;
    for (uint32_t i = 0; i < tokens; ++i) units.insert(units.end(), dense_.begin(), dense_.end());
    return WalkUnits(engine, units, UnitForm::kDecoded, memory.slot_bytes / kAheadOfSlots, use)
        .status();
  }

  static EngineStats Since(const EngineStats& before, EngineStats now) {
    now.read_bytes -= before.read_bytes;
    now.decoded_bytes -= before.decoded_bytes;
    now.slots.hits -= before.slots.hits;
    now.slots.misses -= before.slots.misses;
    now.host.hits -= before.host.hits;
    return now;
  }

  const BenchPlanOptions& options_;
  const std::shared_ptr<const CompressedModel> model_;
  Planner planner_;
  std::vector<Memory> memories_;
  Hardware hardware_;
  std::vector<uint32_t> dense_;  // units
  ExpertSteps steps_;
  std::vector<std::vector<uint32_t>> choices_;
  MemoryReader reader_;
};

}  // namespace

absl::Status RunBenchPlan(const BenchPlanOptions& options, const CommandContext& context) {
  if (options.host_percent.size() != options.slot_percent.size()) {
    return UsageError("as many --host as --slots");
  }
  ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(options.directory));
  ECF8_ASSIGN_OR_RETURN(const std::string config,
                        ReadFile(options.directory + "/config.json", kMaxConfigBytes));
  ECF8_ASSIGN_OR_RETURN(ModelShape shape, ShapeOfModel(*model, config));
  PlanBench bench(options, std::move(model), std::move(shape));
  ECF8_RETURN_IF_ERROR(bench.Run(context));
  if (context.json) {
    PrintJson(bench.Report());
  } else {
    bench.PrintTable();
  }
  return absl::OkStatus();
}

}  // namespace ecf8
