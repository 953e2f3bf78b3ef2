// `ecf8 trace record`: what the clients of a daemon ask for, into a trace file.
#ifndef ECF8_TOOLS_ECF8_TRACE_RECORD_H_
#define ECF8_TOOLS_ECF8_TRACE_RECORD_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/daemon_option.h"

namespace ecf8 {

struct TraceRecordOptions {
  std::string path;
  int seconds = 0;                  // 0: until it is cancelled
  std::vector<std::string> models;  // by name; none: all
  DaemonOption daemon;
};

// Says on stderr when it records. The file is whole however the recording ends; it is made when the
// daemon has answered, and must not exist.
absl::Status RunTraceRecord(const TraceRecordOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_TRACE_RECORD_H_
