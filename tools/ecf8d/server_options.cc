#include "tools/ecf8d/server_options.h"

#include <sys/resource.h>

#include <algorithm>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "rpc/address.h"
#include "spdlog/spdlog.h"
#include "tools/ecf8d/accounts.h"

namespace ecf8 {
namespace {

constexpr size_t kLeastDescriptors = 256;  // where the system does not tell
// heap-limit gives up those who take much, gRPC's quota whoever comes: that is for what is so fast
// that nobody else can see to it.
constexpr uint64_t kTransportFactor = 4;

ServerLimits LimitsFrom(const DaemonConfig& config, size_t descriptors) {
  ServerLimits limits;
  limits.connections.max_connections = static_cast<size_t>(config.max_connections);
  if (const size_t most = descriptors / 2; limits.connections.max_connections > most) {
    spdlog::warn("max-connections is {}: half of the {} descriptors that there are (ulimit -n)",
                 most, descriptors);
    limits.connections.max_connections = most;
  }
  limits.connections.max_peer_connections = static_cast<size_t>(config.max_peer_connections);
  limits.handshake_timeout = std::chrono::milliseconds(config.handshake_timeout_ms);
  limits.idle_timeout = std::chrono::milliseconds(config.idle_timeout_ms);
  limits.connection_streams = static_cast<int>(config.max_connection_streams);
  limits.max_request_bytes = static_cast<int>(*ParseByteSize(config.max_request_size));
  limits.heap_bytes = *ParseByteSize(config.heap_limit);
  limits.transport_bytes = kTransportFactor * limits.heap_bytes;
  return limits;
}

}  // namespace

size_t RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeastDescriptors;
  rlimit raised = limit;
  raised.rlim_cur = raised.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return static_cast<size_t>(limit.rlim_cur);
}

absl::StatusOr<ServerOptions> ServerOptionsFrom(const DaemonConfig& config, size_t descriptors) {
  ServerOptions options;
  options.address = DefaultAddress();
  if (!config.listen.empty()) {
    ECF8_ASSIGN_OR_RETURN(options.address, ParseAddress(config.listen));
  }
  if (!config.socket_group.empty()) {
    ECF8_ASSIGN_OR_RETURN(options.socket_group, FindGroup(config.socket_group));
  }
  for (const std::string& name : config.socket_users) {
    ECF8_ASSIGN_OR_RETURN(const uid_t user, FindUser(name));
    options.socket_users.push_back(user);
  }
  options.limits = LimitsFrom(config, descriptors);
  options.threads = static_cast<int>(config.threads);
  options.max_streams = static_cast<size_t>(config.max_streams);
  options.preload_bytes_per_second = *ParseByteSize(config.preload_rate);
  options.max_sessions = static_cast<size_t>(config.max_sessions);
  options.session.max_units = static_cast<uint32_t>(config.session_max_units);
  options.session.max_sets = static_cast<uint32_t>(config.session_max_sets);
  options.session.max_slot_bytes = *ParseByteSize(config.session_slot_quota);
  if (config.session_uid >= 0) options.session_uid = static_cast<uid_t>(config.session_uid);
  options.tls = {.certificate_path = config.tls_cert,
                 .key_path = config.tls_key,
                 .client_ca_path = config.tls_client_ca};
  options.token_path = config.token_file;
  options.engine = EngineOptionsFrom(config);
  options.heat_directory = config.heat_dir;
  options.max_models = static_cast<size_t>(config.max_models);
  options.watch_models = config.watch_models;
  return options;
}

}  // namespace ecf8
