// The daemon's log: spdlog, to stderr.
#ifndef ECF8_TOOLS_ECF8D_LOGGING_H_
#define ECF8_TOOLS_ECF8D_LOGGING_H_

#include <memory>
#include <string>

#include "spdlog/formatter.h"

namespace ecf8 {

// Makes the default logger. `level` and `format` are choices of their settings.
void InitLogging(const std::string& level, const std::string& format);

// One JSON object a line: {"time", "level", "message"}; time in UTC, RFC 3339.
std::unique_ptr<spdlog::formatter> MakeJsonFormatter();

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_LOGGING_H_
