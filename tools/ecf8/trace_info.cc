#include "tools/ecf8/trace_info.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cache/trace.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

// Of one model.
struct Use {
  uint64_t experts = 0;
  uint64_t stored_bytes = 0;
  std::array<uint64_t, 3> accesses{};  // by Access
  std::vector<bool> demanded;          // by unit
  uint64_t demanded_bytes = 0;         // stored

  uint64_t demanded_units() const {
    return static_cast<uint64_t>(std::count(demanded.begin(), demanded.end(), true));
  }
};

std::vector<Use> UseOf(const Trace& trace) {
  std::vector<Use> uses;
  for (const TraceModel& model : trace.models) {
    Use& use = uses.emplace_back();
    use.demanded.assign(model.units.size(), false);
    for (const TraceUnit& unit : model.units) {
      use.experts += unit.expert ? 1 : 0;
      use.stored_bytes += unit.stored_size_bytes;
    }
  }
  for (const TraceRecord& record : trace.records) {
    Use& use = uses[record.model];
    ++use.accesses[static_cast<size_t>(record.access)];
    if (record.access != Access::kDemand) continue;
    use.demanded[record.unit] = true;
    use.demanded_bytes += trace.models[record.model].units[record.unit].stored_size_bytes;
  }
  return uses;
}

std::string Digest(const TraceModel& model) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016" PRIx64, model.digest);
  return text.data();
}

uint64_t SpanUs(const Trace& trace) {
  if (trace.records.empty()) return 0;
  const auto [first, last] = std::minmax_element(
      trace.records.begin(), trace.records.end(),
      [](const TraceRecord& a, const TraceRecord& b) { return a.time_us < b.time_us; });
  return last->time_us - first->time_us;
}

void PrintTable(const Trace& trace, const std::vector<Use>& uses) {
  std::vector<std::vector<std::string>> rows = {{"DIGEST", "UNITS", "EXPERTS", "STORED", "DEMANDS",
                                                 "HINTS", "PRELOADS", "UNITS DEMANDED",
                                                 "DEMANDED"}};
  for (size_t i = 0; i < uses.size(); ++i) {
    const Use& use = uses[i];
    rows.push_back({Digest(trace.models[i]), std::to_string(trace.models[i].units.size()),
                    std::to_string(use.experts), FormatBytes(use.stored_bytes),
                    std::to_string(use.accesses[0]), std::to_string(use.accesses[1]),
                    std::to_string(use.accesses[2]), std::to_string(use.demanded_units()),
                    FormatBytes(use.demanded_bytes)});
  }
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  std::fputs(FormatTable(rows, right).c_str(), stdout);
  std::printf("\n%zu accesses over %s\n", trace.records.size(),
              FormatSeconds(static_cast<double>(SpanUs(trace)) / 1e6).c_str());
}

nlohmann::ordered_json Report(const Trace& trace, const std::vector<Use>& uses) {
  nlohmann::ordered_json report = {{"accesses", trace.records.size()},
                                   {"span_us", SpanUs(trace)},
                                   {"models", nlohmann::ordered_json::array()}};
  for (size_t i = 0; i < uses.size(); ++i) {
    const Use& use = uses[i];
    report["models"].push_back({{"digest", Digest(trace.models[i])},
                                {"units", trace.models[i].units.size()},
                                {"experts", use.experts},
                                {"stored_bytes", use.stored_bytes},
                                {"demands", use.accesses[0]},
                                {"hints", use.accesses[1]},
                                {"preloads", use.accesses[2]},
                                {"demanded_units", use.demanded_units()},
                                {"demanded_bytes", use.demanded_bytes}});
  }
  return report;
}

}  // namespace

absl::Status RunTraceInfo(const std::string& path, const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(const Trace trace, ReadTrace(path));
  const std::vector<Use> uses = UseOf(trace);
  if (context.json) {
    PrintJson(Report(trace, uses));
  } else {
    PrintTable(trace, uses);
  }
  return absl::OkStatus();
}

}  // namespace ecf8
