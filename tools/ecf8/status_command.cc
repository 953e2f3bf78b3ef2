#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/daemon_option.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/wire_json.h"

namespace ecf8 {
namespace {

constexpr std::chrono::milliseconds kInterruptInterval(50);
constexpr int kMaxIntervalMs = 3'600'000;

std::string Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return std::to_string(part * 100 / whole) + "%";
}

std::vector<std::string> TierRow(const char* name, const v1::Tier& tier) {
  return {name,
          FormatBytes(tier.capacity_bytes()),
          FormatBytes(tier.capacity_bytes() - tier.free_bytes()),
          std::to_string(tier.units()),
          Percent(tier.hits(), tier.hits() + tier.misses()),
          std::to_string(tier.misses()),
          std::to_string(tier.evictions())};
}

// What is not to be had by others, a line each; empty where all of it is.
std::string PinsText(const v1::GetStatusResponse& now) {
  std::string text;
  const auto add = [&](const char* where, const v1::Tier& tier) {
    for (const v1::PinnedModel& pinned : tier.pinned()) {
      text += std::string("pinned ") + where + ": " + Printable(pinned.model()) + ", " +
              std::to_string(pinned.units()) + " units, " + FormatBytes(pinned.bytes()) + "\n";
    }
  };
  add("in host memory", now.host());
  add("on the device", now.device());
  add("in slots", now.slots());
  if (now.slots().granted_bytes() > 0) {
    text += "slots granted to sessions: " + FormatBytes(now.slots().granted_bytes()) + "\n";
  }
  return text.empty() ? text : "\n" + text;
}

// Rates are since `before`, or since the start.
std::string StatusText(const v1::GetStatusResponse& now, const v1::GetStatusResponse& before) {
  const double seconds = static_cast<double>(now.uptime_ms() - before.uptime_ms()) / 1000;
  const v1::Pipeline& p = now.pipeline();
  const v1::Pipeline& q = before.pipeline();
  const auto stage = [&](const char* name, uint64_t bytes, uint64_t bytes_before, uint64_t ns,
                         uint64_t ns_before) -> std::vector<std::string> {
    return {name, FormatBytes(bytes), FormatRate(bytes - bytes_before, seconds),
            ns == 0 ? "-"
                    : FormatRate(bytes - bytes_before, static_cast<double>(ns - ns_before) / 1e9)};
  };
  std::string text = FormatTable({{"TIER", "BUDGET", "USED", "UNITS", "HITS", "MISSES", "EVICTED"},
                                  TierRow("host, compressed", now.host()),
                                  TierRow("device, compressed", now.device()),
                                  TierRow("slots, decoded", now.slots())},
                                 {false, true, true, true, true, true, true});
  text += PinsText(now);
  text += '\n';
  text += FormatTable(
      {{"STAGE", "TOTAL", "RATE", "A THREAD"},
       stage("read", p.read_bytes(), q.read_bytes(), 0, 0),
       stage("verify", p.verified_bytes(), q.verified_bytes(), p.verify_ns(), q.verify_ns()),
       stage("copy", p.copied_bytes(), q.copied_bytes(), p.copy_ns(), q.copy_ns()),
       stage("decode", p.decoded_bytes(), q.decoded_bytes(), p.decode_ns(), q.decode_ns())},
      {false, true, true, true});
  const v1::Reader& reader = now.reader();
  text += "\nreader: " + Printable(reader.kind()) + ", " + std::to_string(reader.in_flight()) +
          " of " + std::to_string(reader.queue_depth()) + " reads in flight, " +
          (reader.buffered_files() == 0 ? "direct" : "buffered");
  if (!reader.fallback_reason().empty()) text += " (" + Printable(reader.fallback_reason()) + ")";
  text += "\nrequests: " + std::to_string(p.requests()) + " held or waiting, for memory " +
          std::to_string(p.waiting_demand()) + " on demand, " + std::to_string(p.waiting_hinted()) +
          " hinted, " + std::to_string(p.waiting_preload()) + " preloading; " +
          std::to_string(now.streams()) +
          " fetches\nfailed units: " + std::to_string(p.failed_units()) +
          ", holds taken from idle clients: " + std::to_string(p.revoked_holds()) + "\n";
  if (now.kept().units() > 0) {
    text += "of the daemon before: " + std::to_string(now.kept().units()) + " units, " +
            FormatBytes(now.kept().bytes()) + ", of which " +
            std::to_string(now.kept().bad_units()) + " were damaged\n";
  }
  return text;
}

class StatusCommand final : public Command {
 public:
  std::string_view name() const override { return "status"; }
  std::string_view summary() const override { return "what the daemon holds and does"; }
  void AddArguments(Arguments arguments) override {
    daemon_.AddTo(arguments);
    arguments.Add("--watch", watch_, "again and again, until interrupted");
    arguments.Add("--interval-ms", interval_ms_, "between two, with --watch")
        .Range(100, kMaxIntervalMs);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    v1::GetStatusResponse before;
    while (true) {
      ECF8_ASSIGN_OR_RETURN(const v1::GetStatusResponse now, client->GetStatus());
      Print(now, before, context);
      before = now;
      if (!watch_ || !Sleep(context)) return absl::OkStatus();
    }
  }

 private:
  // In place on a terminal, one below the other elsewhere.
  void Print(const v1::GetStatusResponse& now, const v1::GetStatusResponse& before,
             const CommandContext& context) const {
    if (context.json) return PrintJson(ToJson(now));
    if (watch_ && isatty(STDOUT_FILENO) == 1) std::fputs("\033[H\033[J", stdout);
    std::fputs(StatusText(now, before).c_str(), stdout);
    std::fflush(stdout);
  }

  // False where the user has had enough.
  bool Sleep(const CommandContext& context) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(interval_ms_);
    while (std::chrono::steady_clock::now() < end) {
      if (context.cancel->load()) return false;
      std::this_thread::sleep_for(kInterruptInterval);
    }
    return true;
  }

  DaemonOption daemon_;
  bool watch_ = false;
  int interval_ms_ = 1000;
};

}  // namespace

std::unique_ptr<Command> MakeStatusCommand() { return std::make_unique<StatusCommand>(); }

}  // namespace ecf8
