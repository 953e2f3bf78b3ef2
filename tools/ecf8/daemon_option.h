// `--daemon ADDRESS`, what TLS needs, and the connection behind it, for every command that asks the
// daemon.
#ifndef ECF8_TOOLS_ECF8_DAEMON_OPTION_H_
#define ECF8_TOOLS_ECF8_DAEMON_OPTION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rpc/client.h"
#include "tools/arguments.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

class DaemonOption {
 public:
  void AddTo(Arguments arguments);

  // The address given, else $ECF8_DAEMON, else the default Unix socket. A malformed one is a
  // UsageError. A token comes from $ECF8_TOKEN alone: everybody can read command lines.
  absl::StatusOr<std::unique_ptr<WeightClient>> Connect(const CommandContext& context) const;

 private:
  std::string address_;
  ClientCredentials credentials_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_DAEMON_OPTION_H_
