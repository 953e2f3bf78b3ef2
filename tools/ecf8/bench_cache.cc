#include "tools/ecf8/bench_cache.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/cache/simulator/scenarios.h"
#include "loader/cache/trace.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

struct Row {
  std::string trace;
  ScenarioKind kind = ScenarioKind::kOther;
  uint64_t budget_bytes = 0;
  Comparison rates;
};

// What is asked of our policy, over all rows.
struct Summary {
  double cyclic_vs_belady_min = std::numeric_limits<double>::infinity();
  double steady_vs_oracle_min = std::numeric_limits<double>::infinity();
  double drift_vs_oracle_min = std::numeric_limits<double>::infinity();
  double locality_vs_lru_min = std::numeric_limits<double>::infinity();
  double points_below_best_peer_max = 0;
  double mean_ours = 0, mean_lru = 0, mean_lfu = 0, mean_s3_fifo = 0, mean_belady = 0;
  double cpu_us_per_access_max = 0;
};

// Cyclic walks, on which most peers have no hits at all, are left out.
double MeanOf(const std::vector<Row>& rows, double Comparison::*rate) {
  double sum = 0, count = 0;
  for (const Row& row : rows) {
    if (row.kind == ScenarioKind::kCyclic) continue;
    sum += row.rates.*rate;
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

Summary Summarise(const std::vector<Row>& rows) {
  Summary summary;
  const auto lower = [](double& least, double value) { least = std::min(least, value); };
  for (const Row& row : rows) {
    const Comparison& rates = row.rates;
    if (row.kind == ScenarioKind::kCyclic) {
      lower(summary.cyclic_vs_belady_min, rates.ours / rates.belady);
    } else if (row.kind == ScenarioKind::kSteady) {
      lower(summary.steady_vs_oracle_min, rates.ours / *rates.oracle);
    } else if (row.kind == ScenarioKind::kDrift) {
      lower(summary.drift_vs_oracle_min, rates.ours / *rates.oracle);
    } else if (row.kind == ScenarioKind::kLocality && rates.lru >= rates.BestPeer()) {
      lower(summary.locality_vs_lru_min, rates.ours / rates.lru);
    }
    summary.points_below_best_peer_max =
        std::max(summary.points_below_best_peer_max, 100 * (rates.BestPeer() - rates.ours));
    summary.cpu_us_per_access_max =
        std::max(summary.cpu_us_per_access_max, rates.ours_cpu_us_per_access);
  }
  summary.mean_ours = MeanOf(rows, &Comparison::ours);
  summary.mean_lru = MeanOf(rows, &Comparison::lru);
  summary.mean_lfu = MeanOf(rows, &Comparison::lfu);
  summary.mean_s3_fifo = MeanOf(rows, &Comparison::s3_fifo);
  summary.mean_belady = MeanOf(rows, &Comparison::belady);
  return summary;
}

std::string Percent(double rate) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", 100 * rate);
  return text;
}

std::string Ratio(double ratio) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", ratio);
  return text;
}

void PrintTable(const std::vector<Row>& rows, bool generated) {
  std::vector<std::vector<std::string>> cells = {{"trace", "budget", "ours", "LRU", "LFU",
                                                  "S3-FIFO", "oracle", "Belady", "ours/oracle",
                                                  "CPU us/access"}};
  for (const Row& row : rows) {
    const Comparison& rates = row.rates;
    char us[32];
    std::snprintf(us, sizeof(us), "%.2f", rates.ours_cpu_us_per_access);
    cells.push_back({row.trace, std::to_string(row.budget_bytes), Percent(rates.ours),
                     Percent(rates.lru), Percent(rates.lfu), Percent(rates.s3_fifo),
                     rates.oracle ? Percent(*rates.oracle) : "", Percent(rates.belady),
                     rates.oracle ? Ratio(rates.ours / *rates.oracle) : "", us});
  }
  std::vector<bool> right(cells[0].size(), true);
  right[0] = false;
  std::fputs(FormatTable(cells, right).c_str(), stdout);
  std::printf("\nhits in %% of the demands; budgets in %s\n", generated ? "experts" : "bytes");
}

void PrintSummary(const Summary& summary) {
  std::printf(
      "cyclic walks: at least %.4f of Belady\n"
      "experts, steady: at least %.3f of the static oracle; with drift: %.3f\n"
      "locality, where LRU is best: at least %.3f of LRU\n"
      "at most %.2f points below the best of LRU, LFU and S3-FIFO\n",
      summary.cyclic_vs_belady_min, summary.steady_vs_oracle_min, summary.drift_vs_oracle_min,
      summary.locality_vs_lru_min, summary.points_below_best_peer_max);
}

void PrintMeans(const Summary& summary) {
  std::printf("means without the cyclic walks: ours %s, LRU %s, LFU %s, S3-FIFO %s, Belady %s\n",
              Percent(summary.mean_ours).c_str(), Percent(summary.mean_lru).c_str(),
              Percent(summary.mean_lfu).c_str(), Percent(summary.mean_s3_fifo).c_str(),
              Percent(summary.mean_belady).c_str());
}

void PrintReport(const std::vector<Row>& rows, const Summary& summary, bool generated) {
  nlohmann::ordered_json report;
  for (const Row& row : rows) {
    const Comparison& rates = row.rates;
    nlohmann::ordered_json entry = {
        {"trace", row.trace},     {"budget_bytes", row.budget_bytes},
        {"ours", rates.ours},     {"lru", rates.lru},
        {"lfu", rates.lfu},       {"s3_fifo", rates.s3_fifo},
        {"belady", rates.belady}, {"cpu_us_per_access", rates.ours_cpu_us_per_access}};
    if (rates.oracle) entry["static_oracle"] = *rates.oracle;
    if (rates.preloaded_oracle) entry["preloaded_static_oracle"] = *rates.preloaded_oracle;
    report["rows"].push_back(std::move(entry));
  }
  if (generated) {
    report["cyclic_vs_belady_min"] = summary.cyclic_vs_belady_min;
    report["steady_vs_static_oracle_min"] = summary.steady_vs_oracle_min;
    report["drift_vs_static_oracle_min"] = summary.drift_vs_oracle_min;
    report["locality_vs_lru_min"] = summary.locality_vs_lru_min;
  }
  report["points_below_best_peer_max"] = summary.points_below_best_peer_max;
  report["mean"] = {{"ours", summary.mean_ours},
                    {"lru", summary.mean_lru},
                    {"lfu", summary.mean_lfu},
                    {"s3_fifo", summary.mean_s3_fifo},
                    {"belady", summary.mean_belady}};
  report["cpu_us_per_access_max"] = summary.cpu_us_per_access_max;
  PrintJson(report);
}

absl::StatusOr<std::vector<Scenario>> ScenarioOfFile(const BenchCacheOptions& options) {
  GeneratedTrace generated;
  ECF8_ASSIGN_OR_RETURN(generated.trace, ReadTrace(options.trace));
  uint64_t total_bytes = 0;
  for (const TraceModel& model : generated.trace.models) {
    for (const TraceUnit& unit : model.units) total_bytes += unit.stored_size_bytes;
  }
  std::vector<uint64_t> budgets = options.budget_bytes;
  for (const uint64_t divisor : {16, 8, 4, 2}) {
    if (options.budget_bytes.empty()) budgets.push_back(total_bytes / divisor);
  }
  const auto slash = options.trace.find_last_of('/');
  Scenario scenario = {options.trace.substr(slash == std::string::npos ? 0 : slash + 1),
                       ScenarioKind::kOther, nullptr, std::move(budgets)};
  scenario.generate = [generated = std::move(generated)] { return generated; };
  return std::vector<Scenario>{std::move(scenario)};
}

std::vector<Scenario> Generated(const BenchCacheOptions& options) {
  std::vector<uint64_t> cyclic_capacities(61);
  std::iota(cyclic_capacities.begin(), cyclic_capacities.end(), 1);
  return MakeScenarios({options.layers, options.tokens, options.seed}, cyclic_capacities);
}

}  // namespace

absl::Status RunBenchCache(const BenchCacheOptions& options, const CommandContext& context) {
  const bool generated = options.trace.empty();
  std::vector<Scenario> scenarios;
  if (generated) {
    scenarios = Generated(options);
  } else {
    ECF8_ASSIGN_OR_RETURN(scenarios, ScenarioOfFile(options));
  }
  std::vector<Row> rows;
  for (const Scenario& scenario : scenarios) {
    const GeneratedTrace trace = scenario.generate();
    for (const uint64_t budget_bytes : scenario.budgets_bytes) {
      if (*context.cancel) return absl::CancelledError("interrupted");
      rows.push_back({scenario.name, scenario.kind, budget_bytes, Compare(trace, budget_bytes)});
    }
  }
  const Summary summary = Summarise(rows);
  if (context.json) {
    PrintReport(rows, summary, generated);
    return absl::OkStatus();
  }
  // Most capacities of the cyclic walk only count for the summary.
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [](const Row& row) {
                              return row.kind == ScenarioKind::kCyclic &&
                                     row.budget_bytes % 15 != 0 && row.budget_bytes != 1 &&
                                     row.budget_bytes != 61;
                            }),
             rows.end());
  PrintTable(rows, generated);
  if (generated) PrintSummary(summary);
  PrintMeans(summary);
  return absl::OkStatus();
}

}  // namespace ecf8
