#include "tools/gpu_bench/decode_bench.h"

#include <algorithm>
#include <memory>

#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "tools/gpu_bench/decode_sets.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kTera = 1e12;
constexpr uint64_t kMostCopies = 256;

// One size. A run is a launch for each copy.
class SizeBench {
 public:
  SizeBench(BenchGpu& gpu, const BenchWeights& weights, const DecodeBenchOptions& options,
            const DecodeSetSize& size)
      : gpu_(gpu), weights_(weights), options_(options), size_(size) {}

  absl::StatusOr<Json> Run() {
    Json row = {{"weights", size_.chunks * kChunkWeights}, {"launches_a_run", size_.copies}};
    ECF8_RETURN_IF_ERROR(RunOurs(&row));
    if (options_.two_pass) ECF8_RETURN_IF_ERROR(RunPeer(&row));
    return row;
  }

 private:
  template <typename Launch>
  absl::StatusOr<Samples> TimeCopies(std::string_view call, Launch launch) {
    return gpu_.Time(options_.runs, call, [&](int /*run*/) {
      CudaError error = kCudaSuccess;
      for (uint64_t copy = 0; copy < size_.copies && error == kCudaSuccess; ++copy) {
        error = launch(copy);
      }
      return error;
    });
  }

  absl::Status RunOurs(Json* row) {
    ECF8_ASSIGN_OR_RETURN(const auto set, TileDecodeSet::Create(gpu_, weights_, size_));
    ECF8_ASSIGN_OR_RETURN(const Samples decode, TimeCopies("cudaLaunchKernel", [&](uint64_t copy) {
                            return set->Launch(copy);
                          }));
    ECF8_RETURN_IF_ERROR(set->Verify());
    ECF8_ASSIGN_OR_RETURN(const Samples copy, TimeCopies("cudaMemcpyAsync", [&](uint64_t i) {
                            return set->CopySameBytes(i);
                          }));
    const auto weights = static_cast<double>(size_.copies * set->decoded_bytes());
    (*row)["stored_bytes"] = set->stored_bytes();
    (*row)["decode_tweights_per_s"] = RatesOf(decode, weights, kTera);
    (*row)["copy_tweights_per_s"] = RatesOf(copy, weights, kTera);
    (*row)["decode_beside_copy"] = Median(copy) / Median(decode);
    decode_weights_per_s_ = weights / Median(decode);
    return absl::OkStatus();
  }

  absl::Status RunPeer(Json* row) {
    ECF8_ASSIGN_OR_RETURN(const auto set, TwoPassSet::Create(gpu_, weights_, size_));
    ECF8_ASSIGN_OR_RETURN(const Samples decode,
                          TimeCopies("cudaLaunchKernel of the peer", [&](uint64_t copy) {
                            return options_.two_pass(set->work(copy), gpu_.stream());
                          }));
    ECF8_RETURN_IF_ERROR(set->Verify());
    const auto weights = static_cast<double>(size_.copies * set->decoded_bytes());
    (*row)["two_pass_stored_bytes"] = set->stored_bytes();
    (*row)["two_pass_tweights_per_s"] = RatesOf(decode, weights, kTera);
    (*row)["decode_beside_two_pass"] = decode_weights_per_s_ / (weights / Median(decode));
    return absl::OkStatus();
  }

  BenchGpu& gpu_;
  const BenchWeights& weights_;
  const DecodeBenchOptions& options_;
  const DecodeSetSize size_;
  double decode_weights_per_s_ = 0;
};

}  // namespace

absl::StatusOr<Json> RunDecodeBench(BenchGpu& gpu, const BenchWeights& weights,
                                    const DecodeBenchOptions& options) {
  Json sizes = Json::array();
  for (uint64_t chunks = 1; chunks * kChunkWeights <= options.max_weights; chunks *= 4) {
    if (chunks * kChunkWeights < options.min_weights) continue;
    const uint64_t copies =
        std::clamp<uint64_t>(options.cold_bytes / (chunks * kChunkWeights), 1, kMostCopies);
    absl::StatusOr<Json> row = SizeBench(gpu, weights, options, {chunks, copies}).Run();
    if (absl::IsResourceExhausted(row.status())) {
      sizes.push_back(
          {{"weights", chunks * kChunkWeights}, {"left_out", std::string(row.status().message())}});
      break;
    }
    if (!row.ok()) return row.status();
    sizes.push_back(*std::move(row));
  }
  return Json{{"weights_of", weights.source},
              {"bits_per_weight", 8.0 * static_cast<double>(weights.stored_bytes()) /
                                      static_cast<double>(weights.weights.size())},
              {"runs", options.runs},
              {"sizes", std::move(sizes)}};
}

}  // namespace ecf8
