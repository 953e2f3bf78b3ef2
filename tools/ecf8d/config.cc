#include "tools/ecf8d/config.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "rpc/address.h"
#include "tools/ecf8d/accounts.h"

namespace ecf8 {

namespace {

constexpr int kMaxCores = 4096;

// "2,3,6-9"; nullopt where it is none.
std::optional<std::vector<int>> ParseCores(std::string_view text) {
  std::vector<int> cores;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    int first = 0;
    const char* const end = item.data() + item.size();
    auto [rest, error] = std::from_chars(item.data(), end, first);
    int last = first;
    if (error == std::errc() && rest != end && *rest == '-') {
      const std::from_chars_result range = std::from_chars(rest + 1, end, last);
      rest = range.ptr;
      error = range.ec;
    }
    if (error != std::errc() || rest != end || first < 0 || last < first || last >= kMaxCores) {
      return std::nullopt;
    }
    for (int core = first; core <= last; ++core) cores.push_back(core);
  }
  return cores;
}

}  // namespace

absl::Span<const Setting> AllSettings() {
  static const std::vector<Setting>* const settings = new std::vector<Setting>{
      {"model-dir",
       "a compressed model, or a directory whose children are such; may be given again",
       &DaemonConfig::model_dirs},
      {"model-root",
       "a directory below which models can be added while the daemon serves; may be given again",
       &DaemonConfig::model_roots},
      {"watch-models", "serve the models below the model roots, as they come and go",
       &DaemonConfig::watch_models},
      {"max-models", "served at once", &DaemonConfig::max_models, 1, 4096},
      {"listen",
       "unix:PATH or HOST:PORT; default unix:$XDG_RUNTIME_DIR/ecf8/ecf8d.sock, or else "
       "unix:/tmp/ecf8-$UID/ecf8d.sock",
       &DaemonConfig::listen},
      {"insecure", "allow HOST:PORT without encryption, or without knowing who calls",
       &DaemonConfig::insecure},
      {"socket-group",
       "whose members may open the Unix socket, too; empty: the daemon's user alone",
       &DaemonConfig::socket_group},
      {"socket-user",
       "whose connections to the Unix socket are taken, beside the daemon's user's; may be given "
       "again; none: of all who may open it",
       &DaemonConfig::socket_users},
      {"max-connections", "open at once; more are closed", &DaemonConfig::max_connections, 1,
       1'000'000},
      {"max-peer-connections", "of one user of the Unix socket, or of one network address",
       &DaemonConfig::max_peer_connections, 1, 1'000'000},
      {"max-connection-streams", "calls of one connection at once; more wait in the client",
       &DaemonConfig::max_connection_streams, 1, 65536},
      {"handshake-timeout-ms", "for a connection to begin: for all of TLS and HTTP/2's settings",
       &DaemonConfig::handshake_timeout_ms, 1, 600'000},
      {"idle-timeout-ms", "after which a connection without a call is closed",
       &DaemonConfig::idle_timeout_ms, 1, 86'400'000},
      {"max-request-size",
       "of one message from a client, at most 64MiB",
       &DaemonConfig::max_request_size,
       0,
       0,
       {},
       true},
      {"heap-limit",
       "memory beyond the budgets, as in 1GiB, from which on connections are closed, those first "
       "that are not served; at least 64MiB",
       &DaemonConfig::heap_limit,
       0,
       0,
       {},
       true},
      {"log-level",
       "the least level that is logged",
       &DaemonConfig::log_level,
       0,
       0,
       {"trace", "debug", "info", "warn", "error", "off"}},
      {"log-format",
       "of the log, which goes to stderr",
       &DaemonConfig::log_format,
       0,
       0,
       {"text", "kv", "json"}},
      {"log-burst",
       "lines that say the same, in ten seconds, before the rest is only counted; 0: all are "
       "logged",
       &DaemonConfig::log_burst, 0, 1'000'000},
      {"threads", "that make messages; 0: one a core", &DaemonConfig::threads, 0, 1024},
      {"device",
       "that decodes and holds what is decoded: host, cuda:N, cuda:N,M for several GPUs as one, or "
       "auto: cuda:0, and the host where CUDA is not to be had",
       &DaemonConfig::device},
      {"host-budget",
       "memory for compressed units, as in 4GiB; a hard limit",
       &DaemonConfig::host_budget,
       0,
       0,
       {},
       true},
      {"device-budget",
       "memory of the device for compressed units, as in 8GiB, to decode them from there; a hard "
       "limit; 0: none are kept there",
       &DaemonConfig::device_budget,
       0,
       0,
       {},
       true},
      {"slot-budget",
       "memory for decoded units, as in 1GiB; a hard limit",
       &DaemonConfig::slot_budget,
       0,
       0,
       {},
       true},
      {"decode-threads", "that verify and decode; 0: one a core", &DaemonConfig::decode_threads, 0,
       1024},
      {"decode-cores", "to pin those threads to, as in 2,3,6-9; empty: the system chooses",
       &DaemonConfig::decode_cores},
      {"reader",
       "how the disk is read; auto: io_uring, or threads where the system refuses it",
       &DaemonConfig::reader,
       0,
       0,
       {"auto", "io_uring", "threads"}},
      {"queue-depth", "reads in flight, of up to 4 MiB each", &DaemonConfig::queue_depth, 1,
       kMaxQueueDepth},
      {"lock-memory", "keep the host budget's memory from being swapped out (see ulimit -l)",
       &DaemonConfig::lock_memory},
      {"keep-memory",
       "leave the host budget's memory to the next start; auto: with the service manager, where "
       "there is one",
       &DaemonConfig::keep_memory,
       0,
       0,
       {"auto", "never"}},
      {"max-streams", "fetches served at once", &DaemonConfig::max_streams, 1, 65536},
      {"max-sessions", "of clients that map slots, at once", &DaemonConfig::max_sessions, 1, 65536},
      {"session-max-units", "of one set of a session", &DaemonConfig::session_max_units, 1, 65536},
      {"session-max-sets", "of one session, asked for and not released",
       &DaemonConfig::session_max_sets, 1, 4096},
      {"session-slot-quota",
       "memory for decoded units that one session can have, as in 1GiB; 0: all that there is",
       &DaemonConfig::session_slot_quota,
       0,
       0,
       {},
       true},
      {"preload-rate",
       "bytes a second that one preload reads at most, as in 500MiB; 0: as fast as it goes",
       &DaemonConfig::preload_rate,
       0,
       0,
       {},
       true},
      {"session-uid",
       "the user whose clients may map slots, while others may fetch; -1: the daemon's own",
       &DaemonConfig::session_uid, -1, 4'294'967'294},
      {"drain-timeout-ms", "how long fetches may go on after SIGTERM",
       &DaemonConfig::drain_timeout_ms, 0, 86'400'000},
      {"tls-cert", "of HOST:PORT: the server's certificate and its chain, in PEM",
       &DaemonConfig::tls_cert},
      {"tls-key", "its key, in PEM", &DaemonConfig::tls_key},
      {"tls-client-ca", "in PEM: clients need a certificate that it has signed",
       &DaemonConfig::tls_client_ca},
      {"token-file", "of those who may call over HOST:PORT: see 'ecf8 token'",
       &DaemonConfig::token_file},
      {"metrics-listen",
       "HOST:PORT, where a Prometheus finds /metrics over plain HTTP; empty: nowhere",
       &DaemonConfig::metrics_listen},
      {"heat-dir", "keep what is learned of experts over restarts in this directory",
       &DaemonConfig::heat_dir},
      {"trace", "draw what happens to units into this new file, for ui.perfetto.dev",
       &DaemonConfig::trace},
      {"trace-limit",
       "of the trace's file, as in 1GiB; what happens after it is left out",
       &DaemonConfig::trace_limit,
       0,
       0,
       {},
       true},
  };
  return *settings;
}

void CopySetting(const Setting& setting, const DaemonConfig& from, DaemonConfig* to) {
  std::visit([&](auto member) { to->*member = from.*member; }, setting.member);
}

absl::Status CheckSetting(const Setting& setting, const DaemonConfig& config) {
  const std::string name = setting.name;
  if (const auto* number = std::get_if<int64_t DaemonConfig::*>(&setting.member)) {
    const int64_t value = config.*(*number);
    if (value >= setting.min && value <= setting.max) return absl::OkStatus();
    return absl::InvalidArgumentError(name + ": " + std::to_string(value) + " is not from " +
                                      std::to_string(setting.min) + " to " +
                                      std::to_string(setting.max));
  }
  const auto* text = std::get_if<std::string DaemonConfig::*>(&setting.member);
  if (text != nullptr && setting.is_byte_size && !ParseByteSize(config.*(*text))) {
    return absl::InvalidArgumentError(name + ": " + Quoted(config.*(*text)) +
                                      " is no size such as 4GiB");
  }
  if (text == nullptr || setting.choices.empty()) return absl::OkStatus();
  const std::string& value = config.*(*text);
  const auto& choices = setting.choices;
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return absl::OkStatus();
  std::string all;
  for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + choice;
  return absl::InvalidArgumentError(name + ": " + Quoted(value) + " is none of " + all);
}

EngineOptions EngineOptionsFrom(const DaemonConfig& config) {
  EngineOptions options;
  options.device = config.device;
  options.host_budget_bytes = *ParseByteSize(config.host_budget);
  options.device_budget_bytes = *ParseByteSize(config.device_budget);
  options.slot_budget_bytes = *ParseByteSize(config.slot_budget);
  options.decode_threads = static_cast<int>(config.decode_threads);
  options.decode_cores = *ParseCores(config.decode_cores);
  options.reader.queue_depth = static_cast<uint32_t>(config.queue_depth);
  options.reader.backend = config.reader == "io_uring"  ? BlockReaderBackend::kIoUring
                           : config.reader == "threads" ? BlockReaderBackend::kThreads
                                                        : BlockReaderBackend::kAuto;
  options.lock_memory = config.lock_memory;
  return options;
}

namespace {

absl::Status CheckMetricsAddress(const DaemonConfig& config) {
  if (config.metrics_listen.empty()) return absl::OkStatus();
  ECF8_ASSIGN_OR_RETURN(const Address address, ParseAddress(config.metrics_listen));
  if (address.is_unix() || address.tls) {
    return absl::InvalidArgumentError("metrics-listen: want HOST:PORT");
  }
  const bool is_loopback =
      address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
  if (is_loopback || config.insecure) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "metrics-listen " + address.ToString() +
      ": anybody could read the metrics there, so it needs --insecure too, or a loopback address");
}

// Over TCP, that what is sent is encrypted, and that somebody asks who calls.
absl::Status CheckTransport(const DaemonConfig& config, const Address& address) {
  const bool has_tls = !config.tls_cert.empty();
  if (has_tls == config.tls_key.empty()) {
    return absl::InvalidArgumentError("tls-cert and tls-key: give both, or none");
  }
  if (address.is_unix()) {
    if (!has_tls && config.tls_client_ca.empty() && config.token_file.empty()) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError("tls-... and token-file are of TCP: give listen HOST:PORT");
  }
  if (address.tls) {
    return absl::InvalidArgumentError(
        "listen: tls:HOST:PORT is what clients say; say HOST:PORT, tls-cert and tls-key");
  }
  if (config.insecure) return absl::OkStatus();
  if (!has_tls) {
    return absl::InvalidArgumentError("--listen " + address.ToString() +
                                      ": TCP needs --tls-cert and --tls-key, or --insecure");
  }
  if (config.tls_client_ca.empty() && config.token_file.empty()) {
    return absl::InvalidArgumentError("--listen " + address.ToString() +
                                      ": nothing says who may call: give --tls-client-ca or "
                                      "--token-file, or --insecure");
  }
  return absl::OkStatus();
}

constexpr uint64_t kLeastRequestBytes = 64 << 10;
constexpr uint64_t kMostRequestBytes = 64 << 20;
constexpr uint64_t kLeastHeapBytes = 64 << 20;

absl::Status CheckSocket(const DaemonConfig& config, const Address& address) {
  if (!address.is_unix() && (!config.socket_group.empty() || !config.socket_users.empty())) {
    return absl::InvalidArgumentError("socket-group and socket-user are of a Unix socket");
  }
  if (!config.socket_group.empty()) {
    ECF8_RETURN_IF_ERROR(AddContext(FindGroup(config.socket_group).status(), "socket-group"));
  }
  for (const std::string& user : config.socket_users) {
    ECF8_RETURN_IF_ERROR(AddContext(FindUser(user).status(), "socket-user"));
  }
  if (*ParseByteSize(config.heap_limit) < kLeastHeapBytes) {
    return absl::InvalidArgumentError("heap-limit: want at least 64MiB");
  }
  const uint64_t request_bytes = *ParseByteSize(config.max_request_size);
  if (request_bytes >= kLeastRequestBytes && request_bytes <= kMostRequestBytes) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("max-request-size: want 64KiB to 64MiB");
}

}  // namespace

absl::Status CheckConfig(const DaemonConfig& config) {
  if (config.model_dirs.empty() && config.model_roots.empty()) {
    return absl::InvalidArgumentError(
        "no model: give at least one --model-dir DIR, or a --model-root DIR to add some from");
  }
  if (config.watch_models && config.model_roots.empty()) {
    return absl::InvalidArgumentError("watch-models: there is no model-root to watch");
  }
  ECF8_RETURN_IF_ERROR(AddContext(CheckDeviceName(config.device), "device"));
  if (!ParseCores(config.decode_cores)) {
    return absl::InvalidArgumentError("decode-cores: " + Quoted(config.decode_cores) +
                                      " is no list such as 2,3,6-9");
  }
  ECF8_RETURN_IF_ERROR(CheckMetricsAddress(config));
  Address address = DefaultAddress();
  if (!config.listen.empty()) {
    ECF8_ASSIGN_OR_RETURN(address, ParseAddress(config.listen));
  }
  ECF8_RETURN_IF_ERROR(CheckSocket(config, address));
  return CheckTransport(config, address);
}

}  // namespace ecf8
