// `ecf8 trace info`: what a trace of accesses holds.
#ifndef ECF8_TOOLS_ECF8_TRACE_INFO_H_
#define ECF8_TOOLS_ECF8_TRACE_INFO_H_

#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

absl::Status RunTraceInfo(const std::string& path, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TRACE_INFO_H_
