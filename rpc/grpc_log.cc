#include "rpc/grpc_log.h"

#include "grpc/support/log.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

void ToSpdlog(gpr_log_func_args* args) {
  const spdlog::level::level_enum level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug;
  spdlog::log(level, "grpc: {}", args->message);
}

void ToNowhere(gpr_log_func_args* /*args*/) {}

}  // namespace

void RouteGrpcLogToSpdlog() { gpr_set_log_function(ToSpdlog); }

void SilenceGrpcLog() { gpr_set_log_function(ToNowhere); }

}  // namespace ecf8
