// The daemon's log: spdlog, to stderr.
#ifndef ECF8_TOOLS_ECF8D_LOGGING_H_
#define ECF8_TOOLS_ECF8D_LOGGING_H_

#include <cstddef>
#include <memory>
#include <string>

#include "spdlog/formatter.h"

namespace ecf8 {

// Makes the default logger. `level` and `format` are choices of their settings; of `burst` see
// LogLimiter.
void InitLogging(const std::string& level, const std::string& format, size_t burst);

// A line an event, in one of three forms; "request" only where the line is about one that has an id
// (rpc/request_id.h). Times are in UTC, RFC 3339, but for those of text, which are for people.
//   text  2026-11-26 08:00:00.123 info the message request="id"
//   kv    time=2026-11-26T08:00:00.123Z level=info request="id" message="the message"
//   json  {"time":"2026-11-26T08:00:00.123Z","level":"info","request":"id","message":"the message"}
// What is quoted is escaped: a line stays a line, whatever is logged.
std::unique_ptr<spdlog::formatter> MakeLogFormatter(const std::string& format);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_LOGGING_H_
