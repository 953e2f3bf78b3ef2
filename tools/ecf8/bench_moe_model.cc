#include "tools/ecf8/bench_moe_model.h"

#include "decoder/status_macros.h"
#include "loader/model/compress.h"
#include "tools/ecf8/compress_report.h"
#include "tools/workloads/made_up_source.h"

namespace ecf8 {

absl::Status RunBenchMoeModel(const BenchMoeModelOptions& options, const CommandContext& context) {
  const SourceModel source = MakeUpSource(ListMoeTensors(options.shape), options.seed);
  ProgressReporter progress("compress");
  const auto summary =
      CompressModel(source, options.directory, options.job.Options(context, progress));
  progress.Finish();
  if (!summary.ok()) return summary.status();
  return PrintCompressSummary(options.directory, *summary, context.json);
}

}  // namespace ecf8
