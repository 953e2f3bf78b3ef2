#include "tools/ecf8/scale_daemon.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/serve/open_models.h"
#include "rpc/grpc_log.h"
#include "rpc/server.h"
#include "spdlog/spdlog.h"
#include "tools/workloads/modelled_device.h"
#include "tools/workloads/repeated_model.h"

namespace ecf8 {
namespace {

void WaitForEndOfInput() {
  std::array<char, 256> buffer{};
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count == 0 || (count < 0 && errno != EINTR)) return;
  }
}

}  // namespace

absl::Status RunScaleDaemon(const ScaleDaemonOptions& options) {
  spdlog::set_level(spdlog::level::off);
  SilenceGrpcLog();
  std::vector<SkippedDirectory> skipped;
  ECF8_ASSIGN_OR_RETURN(const OpenedModels models,
                        OpenModels({RepeatedModelPath(options.directory)}, &skipped));
  if (models.size() != 1) return absl::InvalidArgumentError("no model there");
  ECF8_ASSIGN_OR_RETURN(const auto bytes, RepeatedBytes::Open(models.front(), options.directory));
  ModelledDisk disk(options.hardware.disk_rate * options.speed);
  UnreservedMemory memory;
  std::function<void(uint64_t)> pace;
  if (!options.with_bytes) pace = [&disk](uint64_t size_bytes) { disk.Pass(size_bytes); };
  RepeatedCalls calls(*bytes, options.with_bytes, std::move(pace));

  ServerOptions server;
  server.address.socket_path = options.socket_path;
  EngineOptions& engine = server.engine;
  engine.host_budget_bytes = options.host_bytes;
  engine.slot_budget_bytes = options.slot_bytes;
  engine.reader.backend = BlockReaderBackend::kThreads;
  engine.reader.calls = &calls;
  if (!options.with_bytes) {
    engine.touch_threads = 0;
    engine.memory_calls = &memory;
    engine.make_device = [&options](DeviceSink& sink) -> absl::StatusOr<std::unique_ptr<Device>> {
      return ModelledDevice::Create(
          {.slot_bytes = options.slot_bytes,
           .frame_bytes = options.frame_bytes,
           .bus_rate = options.hardware.host_to_device_rate * options.speed,
           .decode_rate = options.hardware.decode_rate * options.speed},
          sink);
    };
  }
  ECF8_ASSIGN_OR_RETURN(const auto running, Server::Start(models, server));
  WaitForEndOfInput();
  return absl::OkStatus();
}

}  // namespace ecf8
