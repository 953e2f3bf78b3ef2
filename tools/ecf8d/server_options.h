// What the server is started with, of the configuration and of the system.
#ifndef ECF8_TOOLS_ECF8D_SERVER_OPTIONS_H_
#define ECF8_TOOLS_ECF8D_SERVER_OPTIONS_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "rpc/server.h"
#include "tools/ecf8d/config.h"

namespace ecf8 {

// Lets this process have as many descriptors as it may, and returns how many those are.
size_t RaiseDescriptorLimit();

// Of `config`, which has passed CheckConfig; of `descriptors`, connections take half at most. The
// engine's store, observers and the model roots are not in it.
absl::StatusOr<ServerOptions> ServerOptionsFrom(const DaemonConfig& config, size_t descriptors);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_SERVER_OPTIONS_H_
