#include "tools/gpu_bench/pipeline_bench.h"

#include <utility>

#include "decoder/status_macros.h"
#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "tools/gpu_bench/bench_gpu.h"
#include "tools/workloads/made_up_source.h"
#include "tools/workloads/model_walk.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kGiga = 1e9;

}  // namespace

absl::StatusOr<Json> RunPipelineBench(const PipelineBenchOptions& options) {
  const std::string directory = options.directory + "/made-up";
  ECF8_RETURN_IF_ERROR(
      CompressModel(MakeUpSource(ListMoeTensors(options.shape), /*seed=*/1), directory, {})
          .status());
  ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(directory));
  uint64_t stored_bytes = 0;
  uint64_t decoded_bytes = 0;
  for (uint32_t i = 0; i < model->unit_count(); ++i) {
    stored_bytes += model->unit(i).stored_size_bytes;
    decoded_bytes += model->unit(i).decoded_size_bytes;
  }
  Samples seconds;
  Json report = {{"stored_bytes", stored_bytes},
                 {"decoded_bytes", decoded_bytes},
                 {"units", model->unit_count()},
                 {"runs", options.runs}};
  for (int run = 0; run < options.runs; ++run) {
    ECF8_ASSIGN_OR_RETURN(const auto engine, Engine::Start(options.engine, {model}));
    engine->WaitUntilTouched();
    ECF8_ASSIGN_OR_RETURN(const double walk, WalkUnits(*engine, AllUnits(*model),
                                                       UnitForm::kDecoded, options.ahead_bytes));
    seconds.push_back(walk);
    report["device"] = engine->device_info().name;
    report["reader"] = engine->reader_info().kind;
    report["direct_io"] = engine->reader_info().buffered_files == 0;
  }
  report["decoded_gbps"] = RatesOf(seconds, static_cast<double>(decoded_bytes), kGiga);
  report["stored_gbps"] = RatesOf(seconds, static_cast<double>(stored_bytes), kGiga);
  return report;
}

}  // namespace ecf8
