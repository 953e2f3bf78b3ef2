#include "tools/ecf8/bench_experts.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cache/schedule_policy.h"
#include "loader/cache/simulator/simulate_uses.h"
#include "loader/checkpoint/unit_place.h"
#include "loader/model/compressed_model.h"
#include "tools/ecf8/expert_walk.h"
#include "tools/ecf8/progress.h"
#include "tools/ecf8/resident_set.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/memory_reader.h"

namespace ecf8 {
namespace {

constexpr double kGiga = 1e9;
// What the daemon may have beside its budgets.
constexpr uint64_t kAllowanceBytes = 200 << 20;

// The share of uses that found their unit.
struct HitRates {
  double slots = 0;
  double host = 0;    // of those that found nothing in a slot
  double memory = 0;  // in either: what was not read
};

HitRates RatesOf(const UseCounts& counts) {
  const auto share = [](uint64_t part, uint64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  };
  return {.slots = share(counts.slot_hits, counts.uses),
          .host = share(counts.host_hits, counts.uses - counts.slot_hits),
          .memory = share(counts.slot_hits + counts.host_hits, counts.uses)};
}

class ExpertsBench {
 public:
  ExpertsBench(const BenchExpertsOptions& options, std::shared_ptr<const CompressedModel> model)
      : options_(options), model_(std::move(model)) {}

  absl::Status Run(const CommandContext& context) {
    ECF8_ASSIGN_OR_RETURN(steps_, ListExpertSteps(*model_));
    if (options_.experts_per_token > steps_.experts) {
      return UsageError(absl::StrCat("a layer of the model has ", steps_.experts, " experts"));
    }
    ECF8_ASSIGN_OR_RETURN(const auto engine, Engine::Start(options_.engine, {model_}));
    if (options_.use != UnitUse::kNone && engine->device_info().name != "host") {
      return UsageError("what a GPU has decoded is not read here: --use none");
    }
    engine->WaitUntilTouched();
    ECF8_RETURN_IF_ERROR(Sample());
    std::vector<UseEvent> events;
    {
      ExpertWalk walk(*engine, steps_, Use());
      ECF8_RETURN_IF_ERROR(WalkTokens(context, walk));
      used_units_ = walk.used_units();
      used_bytes_ = walk.used_bytes();
      events = walk.events();
    }
    // What the engine tells of itself is a moment old.
    for (stats_ = engine->stats(); stats_.requests > 0; stats_ = engine->stats()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CompareWithSimulator(events, engine->form_costs());
    return absl::OkStatus();
  }

  void PrintTable() const {
    const auto percent = [](double rate) { return absl::StrCat(FixedTwo(100 * rate), " %"); };
    const std::vector<std::vector<std::string>> rows = {
        {"uses that found their unit", "this run", "simulated"},
        {"in a slot", percent(real_.slots), percent(simulated_.slots)},
        {"in host memory, of the others", percent(real_.host), percent(simulated_.host)},
        {"in memory", percent(real_.memory), percent(simulated_.memory)}};
    std::fputs(FormatTable(rows, {false, true, true}).c_str(), stdout);
    std::printf(
        "\n%u tokens in %s: %.3f a second; %llu units used%s; %s decoded, %s of it\n"
        "used a second; %s read, %s\n"
        "resident: at most %s; %s after the first token, %s after the last; the limit is %s\n",
        options_.tokens, FormatSeconds(seconds_).c_str(), options_.tokens / seconds_,
        static_cast<unsigned long long>(used_units_),
        options_.use == UnitUse::kCheck ? ", each checked" : "", FormatBytes(used_bytes_).c_str(),
        FormatRate(used_bytes_, seconds_).c_str(), FormatBytes(stats_.read_bytes).c_str(),
        FormatRate(stats_.read_bytes, seconds_).c_str(), FormatBytes(peak_bytes_).c_str(),
        FormatBytes(resident_bytes_[1]).c_str(), FormatBytes(resident_bytes_.back()).c_str(),
        FormatBytes(LimitBytes()).c_str());
  }

  nlohmann::ordered_json Report() const {
    const auto rates = [](const HitRates& of) {
      return nlohmann::ordered_json{{"slots", of.slots}, {"host", of.host}, {"memory", of.memory}};
    };
    return {{"tokens", options_.tokens},
            {"layers", steps_.layers},
            {"experts", steps_.experts},
            {"experts_per_token", options_.experts_per_token},
            {"seconds", seconds_},
            {"tokens_per_second", options_.tokens / seconds_},
            {"used_units", used_units_},
            {"used_bytes", used_bytes_},
            {"used_gbps", static_cast<double>(used_bytes_) / seconds_ / kGiga},
            {"read_bytes", stats_.read_bytes},
            {"read_gbps", static_cast<double>(stats_.read_bytes) / seconds_ / kGiga},
            {"decoded_bytes", stats_.decoded_bytes},
            {"hit_rate", rates(real_)},
            {"simulated_hit_rate", rates(simulated_)},
            {"resident_peak_bytes", peak_bytes_},
            {"resident_limit_bytes", LimitBytes()},
            {"resident_growth_bytes", GrowthBytes()}};
  }

 private:
  using Clock = std::chrono::steady_clock;

  static std::string FixedTwo(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.2f", value);
    return text;
  }

  uint64_t LimitBytes() const {
    return options_.engine.host_budget_bytes + options_.engine.slot_budget_bytes + kAllowanceBytes;
  }

  UseUnit Use() {
    switch (options_.use) {
      case UnitUse::kCheck:
        return CheckUnit;
      case UnitUse::kRead:
        return [reader = std::make_shared<MemoryReader>()](const HeldUnit& held) {
          reader->Read(held.slot_dev());
          return absl::OkStatus();
        };
      case UnitUse::kNone:
        break;
    }
    return nullptr;
  }

  // From the most of the run's first half to the most of its second.
  int64_t GrowthBytes() const {
    const auto middle =
        resident_bytes_.begin() + static_cast<int64_t>((resident_bytes_.size() + 1) / 2);
    const uint64_t before = *std::max_element(resident_bytes_.begin(), middle);
    const uint64_t after = *std::max_element(middle, resident_bytes_.end());
    return static_cast<int64_t>(after) - static_cast<int64_t>(before);
  }

  absl::Status WalkTokens(const CommandContext& context, ExpertWalk& walk) {
    const std::vector<std::vector<uint32_t>> choices = DrawExperts(
        steps_, options_.experts_per_token, options_.traffic, options_.tokens, options_.seed);
    ProgressReporter progress("tokens");
    const auto begin = Clock::now();
    for (uint32_t token = 0; token < options_.tokens; ++token) {
      if (*context.cancel) return absl::CancelledError("interrupted");
      ECF8_RETURN_IF_ERROR(walk.Token(
          absl::MakeConstSpan(choices).subspan(size_t{token} * steps_.layers, steps_.layers)));
      ECF8_RETURN_IF_ERROR(Sample());
      const uint64_t mean_bytes = walk.used_bytes() / (token + 1);
      progress.Update(walk.used_bytes(), mean_bytes * options_.tokens);
    }
    seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
    return absl::OkStatus();
  }

  absl::Status Sample() {
    ECF8_ASSIGN_OR_RETURN(const ResidentSet resident, ReadResidentSet());
    resident_bytes_.push_back(resident.now_bytes);
    peak_bytes_ = resident.peak_bytes;
    return absl::OkStatus();
  }

  // The tiers of the run, with new policies.
  void CompareWithSimulator(const std::vector<UseEvent>& events, const FormCosts& costs) {
    SchedulePolicy slots(stats_.slots.capacity_bytes);
    SchedulePolicy host(stats_.host.capacity_bytes);
    UseSetup setup{.costs = costs};
    setup.slots = {.budget_bytes = stats_.slots.capacity_bytes, .policy = &slots};
    setup.host = {.budget_bytes = stats_.host.capacity_bytes, .policy = &host};
    for (uint32_t i = 0; i < model_->unit_count(); ++i) {
      const Unit& unit = model_->unit(i);
      const UnitPlace place = PlaceOfUnit(unit.id);
      setup.model.units.push_back({.id = unit.id,
                                   .stored_size_bytes = unit.stored_size_bytes,
                                   .decoded_size_bytes = unit.decoded_size_bytes,
                                   .layer = place.layer,
                                   .expert = place.expert});
      setup.slots.unit_bytes.push_back(SlotSpace::SlotBytes(unit.decoded_size_bytes));
      setup.host.unit_bytes.push_back(RoundUp(unit.stored_size_bytes, kFrameBytes));
    }
    simulated_ = RatesOf(SimulateUses(events, setup));
    real_ = RatesOf({.uses = stats_.slots.hits + stats_.slots.misses,
                     .slot_hits = stats_.slots.hits,
                     .host_hits = stats_.host.hits});
  }

  const BenchExpertsOptions& options_;
  const std::shared_ptr<const CompressedModel> model_;
  ExpertSteps steps_;
  double seconds_ = 0;
  uint64_t used_units_ = 0;
  uint64_t used_bytes_ = 0;
  EngineStats stats_;
  HitRates real_;
  HitRates simulated_;
  std::vector<uint64_t> resident_bytes_;  // before the first token, and after each
  uint64_t peak_bytes_ = 0;
};

}  // namespace

absl::Status RunBenchExperts(const BenchExpertsOptions& options, const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(options.directory));
  ExpertsBench bench(options, std::move(model));
  ECF8_RETURN_IF_ERROR(bench.Run(context));
  if (context.json) {
    PrintJson(bench.Report());
  } else {
    bench.PrintTable();
  }
  return absl::OkStatus();
}

}  // namespace ecf8
