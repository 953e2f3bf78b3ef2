#include "tools/ecf8/bench_rpc.h"

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/memory/slot_space.h"
#include "rpc/client.h"
#include "rpc/grpc_log.h"
#include "rpc/session_client.h"
#include "tools/ecf8/bare_grpc.h"
#include "tools/ecf8/own_server.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSetUnits = 9;
constexpr std::chrono::seconds kTimeout(10);
constexpr int kUnmeasuredRounds = 100;

absl::StatusOr<double> Seconds(const std::function<absl::Status()>& work) {
  const Clock::time_point begin = Clock::now();
  ECF8_RETURN_IF_ERROR(work());
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Takes what comes and looks at none of it.
class CountingSink final : public FetchSink {
 public:
  absl::Status UnitBegin(const v1::Unit& /*unit*/) override { return absl::OkStatus(); }
  absl::Status UnitData(uint64_t /*offset_bytes*/, std::string_view data) override {
    bytes += data.size();
    return absl::OkStatus();
  }
  absl::Status UnitEnd() override { return absl::OkStatus(); }

  uint64_t bytes = 0;
};

absl::StatusOr<uint64_t> FetchModel(WeightClient& client, const std::string& model, v1::Form form) {
  v1::FetchRequest request;
  request.set_model(model);
  request.set_form(form);
  CountingSink sink;
  ECF8_RETURN_IF_ERROR(client.Fetch(request, /*verify=*/false, sink));
  return sink.bytes;
}

struct FetchResults {
  uint64_t decoded_bytes = 0;
  Samples decoded_gbps;
  Samples stored_gbps;  // of stored bytes
  Samples bare_gbps;
};

absl::StatusOr<FetchResults> MeasureFetches(const BenchRpcOptions& options, WeightClient& client,
                                            const OwnServer& server,
                                            const CommandContext& context) {
  FetchResults results;
  const std::string& model = server.model()->name();
  ECF8_ASSIGN_OR_RETURN(results.decoded_bytes, FetchModel(client, model, v1::FORM_DECODED));
  ECF8_ASSIGN_OR_RETURN(const uint64_t stored_bytes, FetchModel(client, model, v1::FORM_STORED));
  ECF8_ASSIGN_OR_RETURN(const auto bare,
                        BareGrpc::Start(server.directory() + "/bare.sock", results.decoded_bytes));
  ECF8_RETURN_IF_ERROR(bare->Read());
  const auto fetch = [&](v1::Form form) {
    return Seconds([&] { return FetchModel(client, model, form).status(); });
  };
  for (int run = 0; run < options.runs; ++run) {
    if (context.cancel->load()) return absl::CancelledError("interrupted");
    ECF8_ASSIGN_OR_RETURN(const double decoded, fetch(v1::FORM_DECODED));
    ECF8_ASSIGN_OR_RETURN(const double stream, Seconds([&] { return bare->Read(); }));
    ECF8_ASSIGN_OR_RETURN(const double stored, fetch(v1::FORM_STORED));
    const auto decoded_gb = static_cast<double>(results.decoded_bytes) / 1e9;
    results.decoded_gbps.push_back(decoded_gb / decoded);
    results.bare_gbps.push_back(decoded_gb / stream);
    results.stored_gbps.push_back(static_cast<double>(stored_bytes) / 1e9 / stored);
  }
  return results;
}

struct AcquireResults {
  size_t units = 0;
  Samples acquire_us;
  Samples pingpong_us;
};

// The first units that fit into the session's slots together.
std::vector<uint32_t> UnitsOfSet(const SessionClient& session) {
  std::vector<uint32_t> units;
  uint64_t bytes = 0;
  for (const v1::Unit& unit : session.units()) {
    const uint64_t slot_bytes = SlotSpace::SlotBytes(unit.decoded_size_bytes());
    if (units.size() == kSetUnits || bytes + slot_bytes > session.slot_bytes()) continue;
    bytes += slot_bytes;
    units.push_back(unit.index());
  }
  return units;
}

absl::StatusOr<AcquireResults> MeasureAcquires(const BenchRpcOptions& options, WeightClient& client,
                                               const OwnServer& server,
                                               const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(const auto session,
                        SessionClient::Open(client, server.address(),
                                            {.model = server.model()->name(),
                                             .slot_bytes = options.engine.slot_budget_bytes}));
  ECF8_ASSIGN_OR_RETURN(const auto bare,
                        BareGrpc::Start(server.directory() + "/pings.sock", /*stream_bytes=*/0));
  const std::vector<uint32_t> units = UnitsOfSet(*session);
  if (units.empty()) return absl::ResourceExhaustedError("no unit fits into the slots");
  AcquireResults results{.units = units.size(), .acquire_us = {}, .pingpong_us = {}};
  for (int round = -kUnmeasuredRounds; round < options.rounds; ++round) {
    if (context.cancel->load()) return absl::CancelledError("interrupted");
    LeasedSet set;
    ECF8_ASSIGN_OR_RETURN(const double acquire, Seconds([&]() -> absl::Status {
                            ECF8_ASSIGN_OR_RETURN(set, session->Acquire(units));
                            return absl::OkStatus();
                          }));
    ECF8_RETURN_IF_ERROR(set.Release());
    ECF8_RETURN_IF_ERROR(session->Ping());  // so that the next one meets a daemon at rest
    ECF8_ASSIGN_OR_RETURN(const double ping, Seconds([&] { return bare->Ping(); }));
    if (round < 0) continue;
    results.acquire_us.push_back(1e6 * acquire);
    results.pingpong_us.push_back(1e6 * ping);
  }
  return results;
}

void AddRange(const std::string& key, const Samples& samples, nlohmann::ordered_json* json) {
  (*json)[key] = Median(samples);
  (*json)[key + "_range"] = {Quantile(samples, 0), Quantile(samples, 1)};
}

nlohmann::ordered_json ToJson(const BenchRpcOptions& options, const FetchResults& fetches,
                              const AcquireResults& acquires) {
  nlohmann::ordered_json json;
  json["decoded_bytes"] = fetches.decoded_bytes;
  json["runs"] = options.runs;
  AddRange("fetch_gbps", fetches.decoded_gbps, &json);
  AddRange("stored_gbps", fetches.stored_gbps, &json);
  AddRange("bare_stream_gbps", fetches.bare_gbps, &json);
  AddRange("fetch_vs_bare_stream", Ratios(fetches.decoded_gbps, fetches.bare_gbps), &json);
  AddRange("stored_vs_bare_stream", Ratios(fetches.stored_gbps, fetches.bare_gbps), &json);
  json["acquire_units"] = acquires.units;
  json["rounds"] = options.rounds;
  json["acquire_p50_us"] = Median(acquires.acquire_us);
  json["acquire_p99_us"] = Quantile(acquires.acquire_us, 0.99);
  json["pingpong_p50_us"] = Median(acquires.pingpong_us);
  json["pingpong_p99_us"] = Quantile(acquires.pingpong_us, 0.99);
  json["acquire_p50_vs_pingpong"] = Median(acquires.acquire_us) / Median(acquires.pingpong_us);
  return json;
}

void Print(const FetchResults& fetches, const AcquireResults& acquires) {
  std::printf("the whole model, %s decoded, over a Unix socket: GB/s, median (least..largest)\n",
              FormatBytes(fetches.decoded_bytes).c_str());
  std::printf("  fetched decoded, checked  %s\n", Range(fetches.decoded_gbps).c_str());
  std::printf("  fetched as stored         %s\n", Range(fetches.stored_gbps).c_str());
  std::printf("  a bare stream             %s\n", Range(fetches.bare_gbps).c_str());
  std::printf("  decoded beside bare       %s\n",
              Range(Ratios(fetches.decoded_gbps, fetches.bare_gbps)).c_str());
  std::printf("  stored beside bare        %s\n",
              Range(Ratios(fetches.stored_gbps, fetches.bare_gbps)).c_str());
  std::printf("a set of %zu units that are ready: us, p50, p99\n", acquires.units);
  std::printf("  acquired                  %.1f, %.1f\n", Median(acquires.acquire_us),
              Quantile(acquires.acquire_us, 0.99));
  std::printf("  a bare ping-pong          %.1f, %.1f\n", Median(acquires.pingpong_us),
              Quantile(acquires.pingpong_us, 0.99));
  std::printf("  beside it, p50            %.2f\n",
              Median(acquires.acquire_us) / Median(acquires.pingpong_us));
}

}  // namespace

absl::Status RunBenchRpc(const BenchRpcOptions& options, const CommandContext& context) {
  SilenceGrpcLog();
  ECF8_ASSIGN_OR_RETURN(const auto server, OwnServer::Start(options.model, options.engine));
  ECF8_ASSIGN_OR_RETURN(const auto client,
                        WeightClient::Connect(server->address(), kTimeout, context.stop));
  ECF8_ASSIGN_OR_RETURN(const FetchResults fetches,
                        MeasureFetches(options, *client, *server, context));
  ECF8_ASSIGN_OR_RETURN(const AcquireResults acquires,
                        MeasureAcquires(options, *client, *server, context));
  if (context.json) {
    PrintJson(ToJson(options, fetches, acquires));
  } else {
    Print(fetches, acquires);
  }
  return absl::OkStatus();
}

}  // namespace ecf8
