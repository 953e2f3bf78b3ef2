#include "tools/ecf8/bench_resident.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/strings.h"
#include "loader/memory/slot_space.h"
#include "rpc/grpc_log.h"
#include "rpc/session_client.h"
#include "tools/ecf8/own_server.h"
#include "tools/ecf8/source_comparison.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeout(10);
constexpr uint32_t kUnitsASet = 1024;

// An engine's process, as far as its weights are concerned.
struct Attached {
  std::unique_ptr<WeightClient> client;
  std::unique_ptr<SessionClient> session;
  std::vector<LeasedSet> sets;  // every unit, in order
  double seconds = 0;           // until they were there
};

absl::StatusOr<Attached> Attach(const OwnServer& server) {
  Attached attached;
  const Clock::time_point begin = Clock::now();
  ECF8_ASSIGN_OR_RETURN(attached.client, WeightClient::Connect(server.address(), kTimeout));
  ECF8_ASSIGN_OR_RETURN(attached.session, SessionClient::Open(*attached.client, server.address(),
                                                              {.model = server.model()->name(),
                                                               .digest = server.model()->digest(),
                                                               .resident = true}));
  const uint32_t count = server.model()->unit_count();
  for (uint32_t first = 0; first < count; first += kUnitsASet) {
    std::vector<uint32_t> units;
    for (uint32_t i = first; i < std::min(count, first + kUnitsASet); ++i) units.push_back(i);
    ECF8_ASSIGN_OR_RETURN(LeasedSet set, attached.session->Acquire(units));
    attached.sets.push_back(std::move(set));
  }
  attached.seconds = SecondsSince(begin);
  return attached;
}

// Calls `visit(tensor, bytes)` for all that is mapped.
template <typename Visit>
absl::Status ForEachTensor(const Attached& attached, const Visit& visit) {
  uint32_t unit = 0;
  for (const LeasedSet& set : attached.sets) {
    for (size_t i = 0; i < set.size(); ++i, ++unit) {
      const v1::Unit& described = attached.session->units()[unit];
      for (int t = 0; t < described.tensors_size(); ++t) {
        ECF8_RETURN_IF_ERROR(visit(described.tensors(t), set.tensor(i, t)));
      }
    }
    ECF8_RETURN_IF_ERROR(set.Check());
  }
  return absl::OkStatus();
}

// Slots for the model, beside room for any one unit.
uint64_t SlotBytes(const CompressedModel& model) {
  uint64_t all_bytes = 0;
  uint64_t largest_bytes = 0;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const uint64_t bytes = SlotSpace::SlotBytes(model.unit(i).decoded_size_bytes);
    all_bytes += bytes;
    largest_bytes = std::max(largest_bytes, bytes);
  }
  return all_bytes + largest_bytes;
}

struct Results {
  double first_seconds = 0;
  Samples attach_ms;
  Samples check_ms;         // of all bytes
  uint64_t read_bytes = 0;  // after the first attach
  uint64_t decoded_bytes = 0;
  uint64_t compared_bytes = 0;
};

absl::Status CheckAll(const Attached& attached) {
  return ForEachTensor(attached, [](const v1::Tensor& tensor, absl::Span<const uint8_t> bytes) {
    if (Xxh3(bytes) == tensor.decoded_xxh3()) return absl::OkStatus();
    return absl::DataLossError("tensor " + Quoted(tensor.name()) + " has other bytes");
  });
}

// When nothing is under way: the engine tells its figures a moment later than its units are there.
EngineStats SettledStats(const OwnServer& server) {
  EngineStats stats = server.engine().stats();
  for (int i = 0; i < 1000 && stats.active_units > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stats = server.engine().stats();
  }
  return stats;
}

absl::StatusOr<Results> Measure(const BenchResidentOptions& options, const OwnServer& server,
                                const CommandContext& context) {
  Results results;
  ECF8_ASSIGN_OR_RETURN(std::optional<Attached> attached, Attach(server));
  results.first_seconds = attached->seconds;
  const EngineStats before = SettledStats(server);
  for (int i = 0; i < options.attaches; ++i) {
    if (context.cancel->load()) return absl::CancelledError("interrupted");
    attached.reset();
    ECF8_ASSIGN_OR_RETURN(attached, Attach(server));
    results.attach_ms.push_back(1e3 * attached->seconds);
    const Clock::time_point begin = Clock::now();
    ECF8_RETURN_IF_ERROR(CheckAll(*attached));
    results.check_ms.push_back(1e3 * SecondsSince(begin));
  }
  const EngineStats after = SettledStats(server);
  results.read_bytes = after.read_bytes - before.read_bytes;
  results.decoded_bytes = after.decoded_bytes - before.decoded_bytes;
  if (options.against.empty()) return results;
  ECF8_ASSIGN_OR_RETURN(SourceComparison against, SourceComparison::Open(options.against));
  ECF8_RETURN_IF_ERROR(
      ForEachTensor(*attached, [&](const v1::Tensor& tensor, absl::Span<const uint8_t> bytes) {
        return against.Compare(tensor.name(), tensor.tensor_offset_bytes(), bytes);
      }));
  results.compared_bytes = against.compared_bytes();
  return results;
}

nlohmann::ordered_json ToJson(const BenchResidentOptions& options, const OwnServer& server,
                              const Results& results) {
  nlohmann::ordered_json json;
  json["units"] = server.model()->unit_count();
  json["slot_bytes"] = SlotBytes(*server.model());
  json["first_attach_seconds"] = results.first_seconds;
  json["attaches"] = options.attaches;
  json["attach_p50_ms"] = Median(results.attach_ms);
  json["attach_max_ms"] = Quantile(results.attach_ms, 1);
  json["read_bytes_again"] = results.read_bytes;
  json["decoded_bytes_again"] = results.decoded_bytes;
  json["check_all_p50_ms"] = Median(results.check_ms);
  if (!options.against.empty()) json["compared_bytes"] = results.compared_bytes;
  return json;
}

void Print(const BenchResidentOptions& options, const OwnServer& server, const Results& results) {
  std::printf("%u units in %s of slots\n", server.model()->unit_count(),
              FormatBytes(SlotBytes(*server.model())).c_str());
  std::printf("  first attach  %s, cold\n", FormatSeconds(results.first_seconds).c_str());
  std::printf("  attach again  %.1f ms p50, %.1f ms at most, of %d\n", Median(results.attach_ms),
              Quantile(results.attach_ms, 1), options.attaches);
  std::printf("    meanwhile   %s read, %s decoded\n", FormatBytes(results.read_bytes).c_str(),
              FormatBytes(results.decoded_bytes).c_str());
  std::printf("  all bytes     %.1f ms p50 to check through a fresh mapping\n",
              Median(results.check_ms));
  if (!options.against.empty()) {
    std::printf("  compared      %s, equal\n", FormatBytes(results.compared_bytes).c_str());
  }
}

}  // namespace

absl::Status RunBenchResident(const BenchResidentOptions& options, const CommandContext& context) {
  SilenceGrpcLog();
  ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(options.model));
  EngineOptions engine;
  engine.host_budget_bytes = options.host_budget_bytes;
  engine.slot_budget_bytes = SlotBytes(*model);
  ECF8_ASSIGN_OR_RETURN(const auto server, OwnServer::Start(options.model, engine));
  ECF8_ASSIGN_OR_RETURN(const Results results, Measure(options, *server, context));
  context.json ? PrintJson(ToJson(options, *server, results)) : Print(options, *server, results);
  return absl::OkStatus();
}

}  // namespace ecf8
