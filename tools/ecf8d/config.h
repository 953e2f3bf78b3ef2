// The daemon's configuration: flags, a TOML file, and defaults, in this order of strength.
#ifndef ECF8_TOOLS_ECF8D_CONFIG_H_
#define ECF8_TOOLS_ECF8D_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/engine/engine.h"

namespace ecf8 {

struct DaemonConfig {
  std::vector<std::string> model_dirs;
  std::vector<std::string> model_roots;
  bool watch_models = false;
  int64_t max_models = 256;
  std::string listen;  // empty: DefaultAddress
  bool insecure = false;
  std::string socket_group;               // empty: the socket is the daemon's own user's
  std::vector<std::string> socket_users;  // empty: whoever may open it
  int64_t max_connections = 1024;
  int64_t max_peer_connections = 256;
  int64_t max_connection_streams = 128;
  int64_t handshake_timeout_ms = 10'000;
  int64_t idle_timeout_ms = 600'000;
  std::string max_request_size = "1MiB";
  std::string heap_limit = "1GiB";
  std::string log_level = "info";
  std::string log_format = "text";
  int64_t log_burst = 20;
  int64_t threads = 0;
  std::string device = "host";
  std::string host_budget = "1GiB";
  std::string device_budget = "0";
  std::string slot_budget = "512MiB";
  int64_t decode_threads = 0;
  std::string decode_cores;
  std::string reader = "auto";
  int64_t queue_depth = 8;
  bool lock_memory = false;
  std::string keep_memory = "auto";
  int64_t max_streams = 64;
  int64_t max_sessions = 64;
  int64_t session_max_units = 1024;
  int64_t session_max_sets = 16;
  std::string session_slot_quota = "0";
  std::string preload_rate = "0";
  int64_t session_uid = -1;  // the daemon's own
  int64_t drain_timeout_ms = 30'000;
  std::string tls_cert;  // empty: no TLS
  std::string tls_key;
  std::string tls_client_ca;   // empty: clients need no certificate
  std::string token_file;      // empty: they need no token
  std::string metrics_listen;  // empty: nowhere
  std::string heat_dir;        // empty: nothing is kept
  std::string trace;           // empty: none
  std::string trace_limit = "256MiB";
};

// One setting, known by one name to the command line ("--NAME") and to the file ("NAME = ...").
struct Setting {
  const char* name;
  const char* help;
  std::variant<std::vector<std::string> DaemonConfig::*, std::string DaemonConfig::*,
               bool DaemonConfig::*, int64_t DaemonConfig::*>
      member;
  int64_t min = 0;  // of a number
  int64_t max = 0;
  std::vector<std::string> choices{};  // of a text; empty: any
  bool is_byte_size = false;           // of a text: what ParseByteSize takes
};

// Every setting that both know.
absl::Span<const Setting> AllSettings();

// Copies one setting.
void CopySetting(const Setting& setting, const DaemonConfig& from, DaemonConfig* to);

// INVALID_ARGUMENT where a number is out of its range or a text no choice of its setting.
absl::Status CheckSetting(const Setting& setting, const DaemonConfig& config);

// Sets what the file at `path` says. INVALID_ARGUMENT names file, line and key: bad TOML, an
// unknown key, a value of the wrong type or out of range.
absl::Status ReadConfigFile(const std::string& path, DaemonConfig* config);

// The engine's part of `config`, which has passed CheckConfig.
EngineOptions EngineOptionsFrom(const DaemonConfig& config);

// What no single setting shows: TCP without --insecure, an address that is none, no models and no
// root to add any from, nothing to watch.
// INVALID_ARGUMENT.
absl::Status CheckConfig(const DaemonConfig& config);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_CONFIG_H_
