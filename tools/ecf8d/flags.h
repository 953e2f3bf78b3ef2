// The daemon's command line.
#ifndef ECF8_TOOLS_ECF8D_FLAGS_H_
#define ECF8_TOOLS_ECF8D_FLAGS_H_

#include <optional>

#include "tools/ecf8d/config.h"

namespace ecf8 {

struct ParsedFlags {
  DaemonConfig config;        // flags over file over defaults, checked
  bool check_config = false;  // --check-config: say whether all is well, and stop
};

// Fills *flags, or returns the exit status with which to stop: 0 after --help or --version, 2 for
// wrong usage, 1 for a configuration file that cannot be read or is wrong. What is to be said has
// been said.
std::optional<int> ParseFlags(int argc, char** argv, ParsedFlags* flags);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_FLAGS_H_
