// A model that another daemon serves, as a source that is pulled from: "ecf8://HOST:PORT/MODEL".
#ifndef ECF8_RPC_DAEMON_SOURCE_H_
#define ECF8_RPC_DAEMON_SOURCE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/remote/object_source.h"
#include "loader/remote/retry_schedule.h"
#include "rpc/address.h"
#include "rpc/client_credentials.h"

namespace ecf8 {

// Whether `source` names a daemon's model.
bool IsDaemonSource(std::string_view source);

struct DaemonModelAddress {
  Address address{};
  std::string model{};
};

// With TLS, unless `insecure`. INVALID_ARGUMENT.
absl::StatusOr<DaemonModelAddress> ParseDaemonSource(std::string_view source, bool insecure);

struct DaemonSourceOptions {
  ClientCredentials credentials{};
  int connections = 8;                     // at least 1: each a TCP connection, and a thread
  uint64_t max_rate_bytes_per_second = 0;  // of all together; 0: no limit
  RetryOptions retry{};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds stall_timeout{10'000};  // so long nothing comes of a part
  std::stop_token stop{};                           // ends the source
};

// Nothing is asked of the daemon yet. Where it serves other weights under the name, since the pull
// began, what is read ends with FAILED_PRECONDITION.
absl::StatusOr<std::unique_ptr<ObjectSource>> OpenDaemonSource(const DaemonModelAddress& from,
                                                               const DaemonSourceOptions& options);

}  // namespace ecf8

#endif  // ECF8_RPC_DAEMON_SOURCE_H_
