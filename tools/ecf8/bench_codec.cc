#include "tools/ecf8/bench_codec.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "decoder/decoders.h"
#include "decoder/status_macros.h"
#include "tools/ecf8/codec_workload.h"
#include "tools/ecf8/samples.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

// The median of the ratios run by run.
double MedianRatio(const Samples& ours, const Samples& theirs) {
  return Median(Ratios(ours, theirs));
}

double TimedGbps(uint64_t bytes, const std::function<void()>& pass) {
  const auto begin = std::chrono::steady_clock::now();
  pass();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(bytes) / elapsed.count() / 1e9;
}

// What one set of passes, on so many threads, measured: GB/s, run by run.
struct Measured {
  Samples encode, decode, zstd1_encode, zstd1_decode, zstd3_encode, zstd3_decode, copy;
};

struct Sizes {
  uint64_t stored = 0, zstd1 = 0, zstd3 = 0;
};

absl::Status RunOnce(CodecWorkload& workload, int threads, Measured& measured, Sizes& sizes) {
  const uint64_t bytes = workload.weight_count();
  const auto check = [&](const char* what) {
    return workload.CheckDecoded()
               ? absl::OkStatus()
               : absl::InternalError(std::string(what) + " did not give back the weights");
  };
  measured.copy.push_back(TimedGbps(bytes, [&] { workload.Copy(threads); }));
  ECF8_RETURN_IF_ERROR(check("memcpy"));
  measured.encode.push_back(TimedGbps(bytes, [&] { workload.Encode(threads); }));
  measured.zstd1_encode.push_back(TimedGbps(bytes, [&] { workload.EncodeZstd(1, threads); }));
  sizes.stored = workload.stored_bytes();
  sizes.zstd1 = workload.zstd_bytes();
  measured.decode.push_back(TimedGbps(bytes, [&] { workload.Decode(threads); }));
  ECF8_RETURN_IF_ERROR(check("the decoder"));
  measured.zstd1_decode.push_back(TimedGbps(bytes, [&] { workload.DecodeZstd(threads); }));
  ECF8_RETURN_IF_ERROR(check("zstd -1"));
  measured.zstd3_encode.push_back(TimedGbps(bytes, [&] { workload.EncodeZstd(3, threads); }));
  sizes.zstd3 = workload.zstd_bytes();
  measured.zstd3_decode.push_back(TimedGbps(bytes, [&] { workload.DecodeZstd(threads); }));
  return check("zstd -3");
}

void AddFigures(const Measured& measured, const std::string& suffix,
                nlohmann::ordered_json& report) {
  report["decode_gbps" + suffix] = Median(measured.decode);
  report["zstd1_decode_gbps" + suffix] = Median(measured.zstd1_decode);
  report["zstd3_decode_gbps" + suffix] = Median(measured.zstd3_decode);
  report["decode_vs_zstd1" + suffix] = MedianRatio(measured.decode, measured.zstd1_decode);
  report["encode_gbps" + suffix] = Median(measured.encode);
  report["zstd1_encode_gbps" + suffix] = Median(measured.zstd1_encode);
  report["zstd3_encode_gbps" + suffix] = Median(measured.zstd3_encode);
  report["encode_vs_zstd1" + suffix] = MedianRatio(measured.encode, measured.zstd1_encode);
  report["memcpy_gbps" + suffix] = Median(measured.copy);
}

std::string BitsText(uint64_t bytes, uint64_t weights) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4f",
                8.0 * static_cast<double>(bytes) / static_cast<double>(weights));
  return text;
}

void PrintTable(const CodecWorkload& workload, const Sizes& sizes, const Measured& one,
                const Measured& all, int threads) {
  const std::string t = std::to_string(threads) + " threads";
  const uint64_t n = workload.weight_count();
  const std::vector<std::vector<std::string>> rows = {
      {"", "bits/weight", "encode GB/s, 1 thread", "decode GB/s, 1 thread", "encode, " + t,
       "decode, " + t},
      {"ecf8", BitsText(sizes.stored, n), Range(one.encode), Range(one.decode), Range(all.encode),
       Range(all.decode)},
      {"zstd -1", BitsText(sizes.zstd1, n), Range(one.zstd1_encode), Range(one.zstd1_decode),
       Range(all.zstd1_encode), Range(all.zstd1_decode)},
      {"zstd -3", BitsText(sizes.zstd3, n), Range(one.zstd3_encode), Range(one.zstd3_decode),
       Range(all.zstd3_encode), Range(all.zstd3_decode)},
      {"memcpy", "8.0000", Range(one.copy), Range(one.copy), Range(all.copy), Range(all.copy)},
  };
  std::fputs(FormatTable(rows, {false, true, true, true, true, true}).c_str(), stdout);
  std::printf("\nlimit of one code a tensor, 4 + H(exponent): %.4f bits; decoder: %.*s\n",
              workload.LimitBitsPerWeight(), static_cast<int>(SelectedDecoder().name.size()),
              SelectedDecoder().name.data());
  std::printf("decode %.2f x zstd -1, encode %.2f x zstd -1 (medians of the ratios run by run)\n",
              MedianRatio(one.decode, one.zstd1_decode), MedianRatio(one.encode, one.zstd1_encode));
}

}  // namespace

absl::Status RunBenchCodec(const BenchCodecOptions& options, const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(CodecWorkload workload,
                        CodecWorkload::Load(options.model, options.max_bytes));
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int threads = options.threads > 0 ? options.threads : cores;
  Measured one, all, warm_up;
  Sizes sizes;
  ECF8_RETURN_IF_ERROR(RunOnce(workload, 1, warm_up, sizes));
  for (int run = 0; run < options.runs; ++run) {
    if (*context.cancel) {
      return absl::CancelledError("interrupted");
    }
    ECF8_RETURN_IF_ERROR(RunOnce(workload, 1, one, sizes));
    ECF8_RETURN_IF_ERROR(RunOnce(workload, threads, all, sizes));
  }
  if (!context.json) {
    PrintTable(workload, sizes, one, all, threads);
    return absl::OkStatus();
  }
  const double weights = static_cast<double>(workload.weight_count());
  nlohmann::ordered_json report;
  report["fp8_weights"] = workload.weight_count();
  report["decoder"] = SelectedDecoder().name;
  report["runs"] = options.runs;
  report["threads"] = threads;
  report["stream_bytes"] = sizes.stored;
  report["zstd1_bytes"] = sizes.zstd1;
  report["stream_bits_per_weight"] = 8.0 * static_cast<double>(sizes.stored) / weights;
  report["zstd1_bits_per_weight"] = 8.0 * static_cast<double>(sizes.zstd1) / weights;
  report["zstd3_bits_per_weight"] = 8.0 * static_cast<double>(sizes.zstd3) / weights;
  report["limit_bits_per_weight"] = workload.LimitBitsPerWeight();
  AddFigures(one, "", report);
  AddFigures(all, "_all_cores", report);
  PrintJson(report);
  return absl::OkStatus();
}

}  // namespace ecf8
