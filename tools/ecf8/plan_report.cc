#include "tools/ecf8/plan_report.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

std::string Bytes(double bytes) { return FormatBytes(static_cast<uint64_t>(bytes)); }

std::string Rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), value < 10 ? "%.2f" : "%.0f", value);
  return text;
}

std::string Percent(double share) { return absl::StrCat(Rounded(100 * share), " %"); }

// Sizes, and where they lie at the smallest batch.
std::string SizesText(const PlanReport& report) {
  const ModelShape& model = report.model;
  std::string text = absl::StrCat(model.name, " on ", report.hardware.name, ": ",
                                  Bytes(report.compressed.decoded_bytes), " as FP8, ",
                                  Bytes(report.compressed.stored_bytes), " stored (",
                                  Rounded(model.bits_per_weight), " bits an FP8 weight)\n");
  if (model.experts > 0) {
    absl::StrAppend(&text, model.expert_layers, " layers of ", model.experts, " experts, ",
                    model.experts_per_token, " for a token, ", Bytes(model.expert.decoded_bytes()),
                    " each\n");
  }
  const PlanRow& first = report.compressed.rows.front();
  if (first.fits) {
    absl::StrAppend(
        &text, "batch ", first.batch, ": on the device ", Bytes(first.resident_decoded_bytes),
        " decoded and ", Bytes(first.resident_stored_bytes), " compressed; in host memory ",
        Bytes(first.host_bytes), report.compressed.disk_needed ? "; the rest on disk\n" : "\n");
  }
  return text;
}

std::string RowsText(const PlanReport& report) {
  const bool experts = report.model.experts > 0;
  std::vector<std::vector<std::string>> rows = {
      {"BATCH", "TOKENS/S", "A SEQUENCE", "BOUND BY", "BUS A STEP", "DISK A STEP"}};
  if (experts) rows[0].insert(rows[0].end(), {"ON DEVICE", "IN MEMORY"});
  rows[0].push_back("UNCOMPRESSED");
  for (size_t i = 0; i < report.compressed.rows.size(); ++i) {
    const PlanRow& row = report.compressed.rows[i];
    const PlanRow& plain = report.plain.rows[i];
    std::vector<std::string> cells = {std::to_string(row.batch)};
    if (row.fits) {
      cells.insert(
          cells.end(),
          {Rounded(row.tokens_per_second), Rounded(row.tokens_per_second / row.batch),
           std::string(PlanStageName(row.binding)), Bytes(row.bus_bytes), Bytes(row.disk_bytes)});
      if (experts) {
        cells.insert(cells.end(), {Percent(row.device_hit_rate), Percent(row.memory_hit_rate)});
      }
    } else {
      cells.insert(cells.end(), {"-", "-", "the device is too small", "-", "-"});
      if (experts) cells.insert(cells.end(), {"-", "-"});
    }
    cells.push_back(plain.fits ? Rounded(plain.tokens_per_second) : "-");
    rows.push_back(std::move(cells));
  }
  std::vector<bool> right(rows[0].size(), true);
  right[3] = false;
  return FormatTable(rows, right);
}

Json RowJson(const PlanRow& row) {
  if (!row.fits) return {{"batch", row.batch}, {"fits", false}};
  return {{"batch", row.batch},
          {"fits", true},
          {"tokens_per_second", row.tokens_per_second},
          {"step_seconds", row.step_seconds},
          {"binding", std::string(PlanStageName(row.binding))},
          {"bus_bytes", row.bus_bytes},
          {"disk_bytes", row.disk_bytes},
          {"decoded_weights", row.decoded_weights},
          {"distinct_experts", row.distinct_experts},
          {"device_hit_rate", row.device_hit_rate},
          {"memory_hit_rate", row.memory_hit_rate},
          {"resident_decoded_bytes", row.resident_decoded_bytes},
          {"resident_stored_bytes", row.resident_stored_bytes},
          {"host_bytes", row.host_bytes}};
}

Json RowsJson(const Plan& plan) {
  Json rows = Json::array();
  for (const PlanRow& row : plan.rows) rows.push_back(RowJson(row));
  return rows;
}

}  // namespace

std::string PlanText(const PlanReport& report) {
  std::string text = absl::StrCat(SizesText(report), "\n", RowsText(report), "\n");
  std::string best;
  for (const PlanChange& change : report.changes) {
    if (change.speedup < 1.005) continue;
    absl::StrAppend(&best, best.empty() ? "" : ", ", change.what, ": ", Rounded(change.speedup),
                    " x");
  }
  if (!best.empty()) absl::StrAppend(&text, "what would help at batch 1: ", best, "\n");
  absl::StrAppend(&text, "computed, not measured; the machine: ", Printable(report.hardware.source),
                  "\n");
  return text;
}

Json PlanJson(const PlanReport& report) {
  Json changes = Json::array();
  for (const PlanChange& change : report.changes) {
    changes.push_back({{"change", change.what}, {"speedup", change.speedup}});
  }
  return {{"model", report.model.name},
          {"decoded_bytes", report.compressed.decoded_bytes},
          {"stored_bytes", report.compressed.stored_bytes},
          {"bits_per_fp8_weight", report.model.bits_per_weight},
          {"hardware", Json::parse(HardwareJson(report.hardware), nullptr, false)},
          {"context_tokens", report.options.context_tokens},
          {"skew", report.skew},
          {"compressed", RowsJson(report.compressed)},
          {"uncompressed", RowsJson(report.plain)},
          {"changes", std::move(changes)}};
}

}  // namespace ecf8
