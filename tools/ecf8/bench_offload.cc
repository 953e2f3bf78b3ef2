#include "tools/ecf8/bench_offload.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/memory/slot_space.h"
#include "rpc/grpc_log.h"
#include "tools/ecf8/offload_client.h"
#include "tools/ecf8/own_server.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/model_walk.h"

namespace ecf8 {
namespace {

constexpr size_t kLatencyUnits = 9;
constexpr int kLatencyRounds = 2000;

EngineOptions EngineFor(const BenchOffloadOptions& options) {
  EngineOptions engine;
  engine.host_budget_bytes = options.host_budget_bytes;
  engine.slot_budget_bytes = options.slot_bytes;
  return engine;
}

using Clients = std::vector<std::unique_ptr<OffloadClient>>;

// All clients at once; of the times, the slowest's pass and the mean of what was waited.
absl::StatusOr<WalkTimes> WalkTogether(const Clients& clients, int passes,
                                       std::chrono::duration<double> compute, bool check) {
  std::vector<absl::StatusOr<WalkTimes>> results(clients.size(), WalkTimes{});
  std::vector<std::thread> threads;
  for (size_t i = 0; i < clients.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = clients[i]->Walk(passes, compute, check); });
  }
  for (std::thread& thread : threads) thread.join();
  WalkTimes all;
  for (const auto& result : results) {
    ECF8_RETURN_IF_ERROR(result.status());
    all.seconds = std::max(all.seconds, result->seconds);
    all.stalled_seconds += result->stalled_seconds / static_cast<double>(clients.size());
  }
  return all;
}

bool IsStored(const BenchOffloadOptions& options) { return options.form == "compressed"; }

UnitForm FormOf(const BenchOffloadOptions& options) {
  return IsStored(options) ? UnitForm::kStoredInSlot : UnitForm::kDecoded;
}

// Bytes ahead that one client's grant leaves beside the unit at hand and the next.
uint64_t BytesAhead(const BenchOffloadOptions& options, const CompressedModel& model,
                    const std::vector<uint32_t>& walk) {
  uint64_t largest_bytes = 0;
  for (const uint32_t unit : walk) {
    largest_bytes =
        std::max(largest_bytes, SlotSpace::SlotBytes(SizeIn(FormOf(options), model.unit(unit))));
  }
  const uint64_t granted_bytes = options.slot_bytes / static_cast<uint64_t>(options.clients);
  return std::min(static_cast<uint64_t>(options.depth) * largest_bytes,
                  granted_bytes - std::min(granted_bytes, 2 * largest_bytes));
}

// Seconds that a pass takes where nobody computes and there is no session: warm, on an engine of
// its own, the clients as so many threads.
absl::StatusOr<double> EngineSupply(const BenchOffloadOptions& options, const OwnServer& server,
                                    const std::vector<uint32_t>& walk) {
  ECF8_ASSIGN_OR_RETURN(const auto engine, Engine::Start(EngineFor(options), {server.model()}));
  engine->WaitUntilTouched();
  std::vector<uint32_t> walks;
  for (int i = 0; i < options.passes; ++i) walks.insert(walks.end(), walk.begin(), walk.end());
  const uint64_t ahead_bytes = BytesAhead(options, *server.model(), walk);
  const auto together = [&](const std::vector<uint32_t>& units) -> absl::StatusOr<double> {
    std::vector<absl::StatusOr<double>> seconds(static_cast<size_t>(options.clients), 0.0);
    std::vector<std::thread> threads;
    for (absl::StatusOr<double>& result : seconds) {
      threads.emplace_back(
          [&] { result = WalkUnits(*engine, units, FormOf(options), ahead_bytes); });
    }
    for (std::thread& thread : threads) thread.join();
    double slowest = 0;
    for (const auto& result : seconds) {
      ECF8_RETURN_IF_ERROR(result.status());
      slowest = std::max(slowest, *result);
    }
    return slowest;
  };
  ECF8_RETURN_IF_ERROR(together(walk).status());
  ECF8_ASSIGN_OR_RETURN(const double seconds, together(walks));
  return seconds / options.passes;
}

struct Results {
  uint64_t walk_bytes = 0;
  size_t walk_units = 0;
  uint64_t compared_bytes = 0;
  double session_supply = 0;  // seconds a pass
  double engine_supply = 0;   // 0: not known
  double pass = 0;
  double stall_fraction = 0;
  double bound = 0;
  OffloadClient::Latencies latencies;
};

absl::StatusOr<Clients> OpenClients(const BenchOffloadOptions& options, const Address& address,
                                    const std::string& model, const CommandContext& context) {
  Clients clients;
  for (int i = 0; i < options.clients; ++i) {
    ECF8_ASSIGN_OR_RETURN(
        auto client,
        OffloadClient::Open(
            {.address = address,
             .model = model,
             .layers_only = options.layers_only,
             .depth = static_cast<uint32_t>(options.depth),
             .slot_bytes =
                 options.resident ? 0 : options.slot_bytes / static_cast<uint64_t>(options.clients),
             .resident = options.resident,
             .form = IsStored(options) ? v1::FORM_STORED : v1::FORM_DECODED,
             .against = options.against,
             .cancel = context.cancel}));
    clients.push_back(std::move(client));
  }
  return clients;
}

// `server` may be null: the daemon is another's.
absl::StatusOr<Results> Measure(const BenchOffloadOptions& options, const OwnServer* server,
                                Clients clients) {
  constexpr std::chrono::seconds kNoCompute(0);
  Results results;
  results.walk_bytes = clients[0]->walk_bytes();
  results.walk_units = clients[0]->walk().size();
  const bool check = !options.against.empty();
  ECF8_RETURN_IF_ERROR(
      WalkTogether(clients, check ? options.passes : 1, kNoCompute, check).status());
  for (const auto& client : clients) results.compared_bytes += client->compared_bytes();
  ECF8_ASSIGN_OR_RETURN(WalkTimes times, WalkTogether(clients, options.passes, kNoCompute, false));
  results.session_supply = times.seconds / options.passes;
  if (options.compute_ms > 0) {
    const std::chrono::duration<double> compute(options.compute_ms / 1e3);
    ECF8_ASSIGN_OR_RETURN(times, WalkTogether(clients, options.passes, compute, false));
  }
  results.pass = times.seconds / options.passes;
  results.stall_fraction = times.stalled_seconds / times.seconds;
  ECF8_ASSIGN_OR_RETURN(results.latencies,
                        clients[0]->MeasureLatencies(kLatencyUnits, kLatencyRounds));
  double supply = results.session_supply;
  if (server != nullptr) {
    const std::vector<uint32_t> walk = clients[0]->walk();
    clients.clear();
    ECF8_ASSIGN_OR_RETURN(results.engine_supply, EngineSupply(options, *server, walk));
    supply = results.engine_supply;
  }
  results.bound =
      std::max(static_cast<double>(results.walk_units) * options.compute_ms / 1e3, supply);
  return results;
}

nlohmann::ordered_json ToJson(const BenchOffloadOptions& options, const Results& results) {
  const OffloadClient::Latencies& latencies = results.latencies;
  nlohmann::ordered_json json;
  json["units"] = results.walk_units;
  json["form"] = options.form;
  json["walk_bytes"] = results.walk_bytes;
  json["slot_bytes"] = options.slot_bytes;
  json["clients"] = options.clients;
  json["passes"] = options.passes;
  json["compute_ms"] = options.compute_ms;
  if (!options.against.empty()) json["compared_bytes"] = results.compared_bytes;
  json["passes_per_second"] = 1 / results.pass;
  json["stall_fraction"] = results.stall_fraction;
  json["bound_seconds"] = results.bound;
  json["vs_bound"] = results.bound / results.pass;
  json["session_supply_seconds"] = results.session_supply;
  if (results.engine_supply > 0) json["engine_supply_seconds"] = results.engine_supply;
  json["acquire_units"] = latencies.units;
  json["acquire_p50_us"] = Median(latencies.acquire_us);
  json["acquire_p99_us"] = Quantile(latencies.acquire_us, 0.99);
  json["pingpong_p50_us"] = Median(latencies.ping_us);
  json["pingpong_p99_us"] = Quantile(latencies.ping_us, 0.99);
  json["acquire_p50_vs_pingpong"] = Median(latencies.acquire_us) / Median(latencies.ping_us);
  return json;
}

void Print(const nlohmann::ordered_json& json) {
  const auto number = [&](const char* key) { return json[key].get<double>(); };
  std::printf("%.0f units, %s a pass, %.0f clients, %.1f ms of compute a unit\n", number("units"),
              FormatBytes(json["walk_bytes"].get<uint64_t>()).c_str(), number("clients"),
              number("compute_ms"));
  std::printf("  passes       %8.2f a second, of each client\n", number("passes_per_second"));
  std::printf("  stalled      %8.2f %% of the time\n", 100 * number("stall_fraction"));
  std::printf("  of the bound %8.2f %%, max(compute, supply): %s a pass\n",
              100 * number("vs_bound"), FormatSeconds(number("bound_seconds")).c_str());
  std::printf("  acquire      %8.1f us p50, %.1f us p99, of %.0f units that are ready\n",
              number("acquire_p50_us"), number("acquire_p99_us"), number("acquire_units"));
  std::printf("  ping         %8.1f us p50, %.1f us p99\n", number("pingpong_p50_us"),
              number("pingpong_p99_us"));
  if (json.contains("compared_bytes")) {
    std::printf("  compared     %s, equal\n",
                FormatBytes(json["compared_bytes"].get<uint64_t>()).c_str());
  }
}

}  // namespace

absl::Status RunBenchOffload(const BenchOffloadOptions& options, const CommandContext& context) {
  if (IsStored(options) && !options.against.empty()) {
    return absl::InvalidArgumentError("--against compares decoded bytes: leave out --form");
  }
  SilenceGrpcLog();
  std::unique_ptr<OwnServer> server;
  Address address;
  std::string model = options.model;
  if (options.daemon.empty()) {
    ECF8_ASSIGN_OR_RETURN(server, OwnServer::Start(options.model, EngineFor(options)));
    address = server->address();
    model = server->model()->name();
  } else {
    ECF8_ASSIGN_OR_RETURN(address, ParseAddress(options.daemon));
  }
  ECF8_ASSIGN_OR_RETURN(Clients clients, OpenClients(options, address, model, context));
  ECF8_ASSIGN_OR_RETURN(const Results results, Measure(options, server.get(), std::move(clients)));
  const nlohmann::ordered_json json = ToJson(options, results);
  if (context.json) {
    PrintJson(json);
  } else {
    Print(json);
  }
  return absl::OkStatus();
}

}  // namespace ecf8
