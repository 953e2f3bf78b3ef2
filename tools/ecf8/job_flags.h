// The flags that compress, decompress and verify have in common, and what runs them.
#ifndef ECF8_TOOLS_ECF8_JOB_FLAGS_H_
#define ECF8_TOOLS_ECF8_JOB_FLAGS_H_

#include "loader/model/compress.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/progress.h"

namespace ecf8 {

class JobFlags {
 public:
  void AddThreads(Arguments arguments) {
    arguments.Add("--threads", threads_, "0: one a core").Range(0, 1024);
  }
  void AddForce(Arguments arguments) {
    arguments.Add("--force", force_, "replace DST where it exists, when the new one is complete");
  }

  // Borrows `context` and `progress`.
  JobOptions Options(const CommandContext& context, ProgressReporter& progress) const {
    JobOptions options;
    options.threads = threads_;
    options.replace = force_;
    options.cancel = context.cancel;
    options.progress = [&progress](const Progress& p) {
      progress.Update(p.done_bytes, p.total_bytes);
    };
    return options;
  }

 private:
  int threads_ = 0;
  bool force_ = false;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_JOB_FLAGS_H_
