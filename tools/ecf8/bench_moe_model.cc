#include "tools/ecf8/bench_moe_model.h"

#include <string>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/model/compress.h"
#include "tools/ecf8/compress_report.h"
#include "tools/workloads/made_up_source.h"
#include "tools/workloads/scratch_directory.h"

namespace ecf8 {
namespace {

absl::Status WriteConfig(const std::string& directory, const BenchMoeModelOptions& options) {
  const std::string config = MoeConfig(options.shape, options.experts_per_token);
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(directory + "/config.json"));
  return file.WriteAt(0, {reinterpret_cast<const uint8_t*>(config.data()), config.size()});
}

}  // namespace

absl::Status RunBenchMoeModel(const BenchMoeModelOptions& options, const CommandContext& context) {
  SourceModel source = MakeUpSource(ListMoeTensors(options.shape), options.seed);
  // The weights are nowhere, but its config.json has to be.
  ECF8_ASSIGN_OR_RETURN(const auto scratch, ScratchDirectory::Make());
  ECF8_RETURN_IF_ERROR(WriteConfig(scratch->path(), options));
  source.directory = scratch->path();
  source.has_config = true;
  ProgressReporter progress("compress");
  const auto summary =
      CompressModel(source, options.directory, options.job.Options(context, progress));
  progress.Finish();
  if (!summary.ok()) return summary.status();
  return PrintCompressSummary(options.directory, *summary, context.json);
}

}  // namespace ecf8
