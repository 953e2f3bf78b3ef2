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
#include "loader/base/strings.h"
#include "loader/engine/engine_timeline.h"
#include "loader/serve/model_roots.h"
#include "loader/serve/open_models.h"
#include "rpc/address.h"
#include "rpc/grpc_log.h"
#include "rpc/server.h"
#include "rpc/status_table.h"
#include "spdlog/spdlog.h"
#include "tools/ecf8d/config.h"
#include "tools/ecf8d/flags.h"
#include "tools/ecf8d/logging.h"
#include "tools/ecf8d/metrics/metrics.h"
#include "tools/ecf8d/signals.h"
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

// `trace` and `metrics` may be null.
absl::StatusOr<std::unique_ptr<Server>> StartServer(const DaemonConfig& config,
                                                    const OpenedModels& models, ModelRoots roots,
                                                    EngineTimeline* trace, Metrics* metrics) {
  ServerOptions options;
  options.address = DefaultAddress();
  if (!config.listen.empty()) {
    ECF8_ASSIGN_OR_RETURN(options.address, ParseAddress(config.listen));
  }
  options.threads = static_cast<int>(config.threads);
  options.max_streams = static_cast<size_t>(config.max_streams);
  options.max_sessions = static_cast<size_t>(config.max_sessions);
  options.session.max_units = static_cast<uint32_t>(config.session_max_units);
  options.session.max_sets = static_cast<uint32_t>(config.session_max_sets);
  options.session.max_slot_bytes = *ParseByteSize(config.session_slot_quota);
  if (config.session_uid >= 0) options.session_uid = static_cast<uid_t>(config.session_uid);
  options.engine = EngineOptionsFrom(config);
  if (trace != nullptr) options.engine.observers.push_back(trace);
  if (metrics != nullptr) {
    options.engine.observers.push_back(&metrics->engine_observer());
    options.call_observer = &metrics->call_observer();
  }
  options.tls = {.certificate_path = config.tls_cert,
                 .key_path = config.tls_key,
                 .client_ca_path = config.tls_client_ca};
  options.token_path = config.token_file;
  options.heat_directory = config.heat_dir;
  options.max_models = static_cast<size_t>(config.max_models);
  options.model_roots = std::move(roots);
  options.watch_models = config.watch_models;
  return Server::Start(models, options);
}

void LogDevice(const Engine& engine) {
  spdlog::info("decodes on {}", engine.device_info().name);
  if (!engine.device_fallback_reason().empty()) {
    spdlog::warn("not on a GPU: {}", engine.device_fallback_reason());
  }
}

void Reload(Server& server) {
  const absl::Status status = server.ReloadTokens();
  if (status.ok()) {
    spdlog::info("SIGHUP: the tokens were read again");
  } else {
    spdlog::error("SIGHUP: the old tokens stay: {}", std::string(status.message()));
  }
}

absl::Status Serve(const ParsedFlags& flags) {
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
      StartServer(flags.config, models, std::move(roots), trace.get(), metrics.get()));
  models.clear();  // the server has them, until they are removed
  if (metrics != nullptr) {
    ECF8_RETURN_IF_ERROR(metrics->Serve(flags.config.metrics_listen, *server));
    spdlog::info("metrics at http://{}/metrics", flags.config.metrics_listen);
  }
  LogDevice(server->engine());
  spdlog::info("listening on {}", server->address().ToString());

  int signal_number = WaitForSignal();
  for (; signal_number == SIGHUP; signal_number = WaitForSignal()) Reload(*server);
  spdlog::info("{}: draining {} streams, for at most {} ms", strsignal(signal_number),
               server->stream_count(), flags.config.drain_timeout_ms);
  const bool all_ended =
      server->Drain(std::chrono::milliseconds(flags.config.drain_timeout_ms), TakeStopSignal);
  spdlog::info(all_ended ? "stopped" : "stopped, with streams cut short");
  if (metrics != nullptr) metrics->Stop();
  server.reset();
  if (trace != nullptr) EndTrace(*trace);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  ParsedFlags flags;
  if (const std::optional<int> exit_status = ParseFlags(argc, argv, &flags)) return *exit_status;
  BlockSignals();
  InitLogging(flags.config.log_level, flags.config.log_format);
  RouteGrpcLogToSpdlog();
  spdlog::info("ecf8d {}", kVersion);
  const absl::Status status = Serve(flags);
  if (!status.ok()) spdlog::error("{}", std::string(status.message()));
  return ExitStatusFor(status.code());
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) { return ecf8::Main(argc, argv); }
