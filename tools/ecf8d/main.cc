// ecf8d: opens models, serves them, and stops in order.

#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "loader/base/service_manager.h"
#include "loader/base/strings.h"
#include "loader/engine/engine_timeline.h"
#include "loader/memory/kept_memory.h"
#include "loader/serve/model_roots.h"
#include "loader/serve/open_models.h"
#include "rpc/grpc_log.h"
#include "rpc/heap_watch.h"
#include "rpc/listening_sockets.h"
#include "rpc/server.h"
#include "rpc/status_table.h"
#include "spdlog/spdlog.h"
#include "tools/ecf8d/config.h"
#include "tools/ecf8d/flags.h"
#include "tools/ecf8d/logging.h"
#include "tools/ecf8d/metrics/metrics.h"
#include "tools/ecf8d/server_options.h"
#include "tools/ecf8d/signals.h"
#include "tools/ecf8d/watchdog.h"
#include "tools/version.h"

namespace ecf8 {
namespace {

absl::StatusOr<OpenedModels> OpenModelDirs(const DaemonConfig& config) {
  std::vector<SkippedDirectory> skipped;
  ECF8_ASSIGN_OR_RETURN(OpenedModels models, OpenModels(config.model_dirs, &skipped));
  for (const SkippedDirectory& skip : skipped) {
    spdlog::warn("{} is not served: {}", skip.directory, std::string(skip.why.message()));
  }
  for (const auto& model : models) {
    spdlog::info("model {}: {} units, digest {}, from {}", Quoted(model->name()),
                 model->unit_count(), model->digest(), model->directory());
  }
  return models;
}

absl::StatusOr<std::unique_ptr<EngineTimeline>> StartTrace(const DaemonConfig& config) {
  if (config.trace.empty()) return nullptr;
  ECF8_ASSIGN_OR_RETURN(auto trace,
                        EngineTimeline::Create(config.trace, *ParseByteSize(config.trace_limit)));
  spdlog::info("tracing into {}", config.trace);
  return trace;
}

void EndTrace(EngineTimeline& trace) {
  const absl::Status status = trace.Close();
  if (!status.ok()) spdlog::warn("the trace is cut short: {}", std::string(status.message()));
  spdlog::info("traced {} events, {} left out", trace.info().events, trace.info().left_out);
}

// Null where memory is not kept; what an earlier daemon has left is then forgotten.
DescriptorStore* StoreFor(const DaemonConfig& config, ServiceManager* manager) {
  if (manager == nullptr || !manager->listens()) return nullptr;
  if (config.keep_memory == "auto") return manager;
  KeptMemory::Discard(*manager);
  return nullptr;
}

// `trace`, `metrics` and `manager` may be null.
absl::StatusOr<std::unique_ptr<Server>> StartServer(const DaemonConfig& config,
                                                    const OpenedModels& models, ModelRoots roots,
                                                    EngineTimeline* trace, Metrics* metrics,
                                                    ServiceManager* manager) {
  ECF8_ASSIGN_OR_RETURN(ServerOptions options, ServerOptionsFrom(config, RaiseDescriptorLimit()));
  options.engine.descriptors = StoreFor(config, manager);
  if (trace != nullptr) options.engine.observers.push_back(trace);
  if (metrics != nullptr) {
    options.engine.observers.push_back(&metrics->engine_observer());
    options.call_observer = &metrics->call_observer();
  }
  options.model_roots = std::move(roots);
  std::vector<Descriptor> passed;
  if (manager != nullptr) passed = manager->TakeIf(IsListener);
  return Server::Start(models, options, std::move(passed));
}

void LogDevice(const Engine& engine) {
  spdlog::info("decodes on {}", engine.device_info().name);
  if (!engine.device_fallback_reason().empty()) {
    spdlog::warn("not on a GPU: {}", engine.device_fallback_reason());
  }
}

// What the machine refused of the host budget's memory.
void LogMemory(const ArenaInfo& memory) {
  for (const std::string& warning : memory.warnings) spdlog::warn("{}", warning);
}

void LogKept(const KeptInfo& kept) {
  if (!kept.problem.empty()) {
    spdlog::warn("the host budget's memory will not outlive the daemon: {}", kept.problem);
  } else if (!kept.discarded.empty()) {
    spdlog::warn("the memory of the daemon before is not used: {}", kept.discarded);
  } else if (kept.is_kept) {
    spdlog::info("the daemon before has left {} units in memory, {}", kept.units,
                 FormatBytes(kept.bytes));
  }
}

// `manager` may be null.
void Tell(const ServiceManager* manager, const std::string& state) {
  if (manager == nullptr) return;
  const absl::Status status = manager->Notify(state);
  if (!status.ok()) spdlog::warn("{}", std::string(status.message()));
}

// For `systemctl status`.
std::string ServingStatus(const Server& server) {
  return "STATUS=serves " + std::to_string(server.models().models().size()) + " models at " +
         server.address().ToString();
}

void Reload(Server& server, const ServiceManager* manager) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());  // CLOCK_MONOTONIC
  Tell(manager, "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()));
  const absl::Status status = server.ReloadTokens();
  if (status.ok()) {
    spdlog::info("SIGHUP: the tokens were read again");
  } else {
    spdlog::error("SIGHUP: the old tokens stay: {}", std::string(status.message()));
  }
  Tell(manager, "READY=1");
  Tell(manager, ServingStatus(server));
}

absl::Status Serve(const ParsedFlags& flags, ServiceManager* manager) {
  Tell(manager, "STATUS=opening models");
  ECF8_ASSIGN_OR_RETURN(ModelRoots roots, ModelRoots::Open(flags.config.model_roots));
  ECF8_ASSIGN_OR_RETURN(OpenedModels models, OpenModelDirs(flags.config));
  if (flags.check_config) {
    spdlog::info("the configuration is good");
    return absl::OkStatus();
  }
  ECF8_ASSIGN_OR_RETURN(const std::unique_ptr<EngineTimeline> trace, StartTrace(flags.config));
  std::unique_ptr<Metrics> metrics;
  if (!flags.config.metrics_listen.empty()) metrics = std::make_unique<Metrics>();
  ECF8_ASSIGN_OR_RETURN(
      std::unique_ptr<Server> server,
      StartServer(flags.config, models, std::move(roots), trace.get(), metrics.get(), manager));
  models.clear();  // the server has them, until they are removed
  if (metrics != nullptr) {
    ECF8_RETURN_IF_ERROR(metrics->Serve(flags.config.metrics_listen, *server));
    spdlog::info("metrics at http://{}/metrics", flags.config.metrics_listen);
  }
  LogDevice(server->engine());
  LogMemory(server->engine().arena_info());
  LogKept(server->engine().kept_info());
  spdlog::info("listening on {}", server->address().ToString());
  Tell(manager, "READY=1");
  Tell(manager, ServingStatus(*server));
  std::unique_ptr<Watchdog> watchdog;
  if (manager != nullptr) {
    ECF8_ASSIGN_OR_RETURN(watchdog,
                          Watchdog::Start(*manager, [&server] { server->WaitUntilAnswering(); }));
  }

  int signal_number = WaitForSignal();
  for (; signal_number == SIGHUP; signal_number = WaitForSignal()) Reload(*server, manager);
  const size_t streams = server->stream_count() + server->file_stream_count();
  spdlog::info("{}: draining {} streams, for at most {} ms", strsignal(signal_number), streams,
               flags.config.drain_timeout_ms);
  Tell(manager, "STOPPING=1");
  Tell(manager, "STATUS=draining " + std::to_string(streams) + " streams");
  const bool all_ended =
      server->Drain(std::chrono::milliseconds(flags.config.drain_timeout_ms), TakeStopSignal);
  spdlog::info(all_ended ? "stopped" : "stopped, with streams cut short");
  if (metrics != nullptr) metrics->Stop();
  watchdog.reset();
  server.reset();
  if (trace != nullptr) EndTrace(*trace);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  ParsedFlags flags;
  if (const std::optional<int> exit_status = ParseFlags(argc, argv, &flags)) return *exit_status;
  BlockSignals();
  KeepLittleFreeHeap();
  const std::unique_ptr<ServiceManager> manager = ServiceManager::FromEnvironment();
  InitLogging(flags.config.log_level, flags.config.log_format,
              static_cast<size_t>(flags.config.log_burst));
  RouteGrpcLogToSpdlog();
  spdlog::info("ecf8d {}", kVersion);
  const absl::Status status = Serve(flags, manager.get());
  if (!status.ok()) spdlog::error("{}", std::string(status.message()));
  return ExitStatusFor(status.code());
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) { return ecf8::Main(argc, argv); }
