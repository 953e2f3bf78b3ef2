#include "tools/ecf8/bench_codec.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/decoders.h"
#include "decoder/encoders.h"
#include "decoder/status_macros.h"
#include "tools/ecf8/bench_model.h"
#include "tools/ecf8/codec_workload.h"
#include "tools/ecf8/text.h"
#include "tools/workloads/samples.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

double TimedGbps(uint64_t bytes, const std::function<void()>& pass) {
  const auto begin = std::chrono::steady_clock::now();
  pass();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(bytes) / elapsed.count() / 1e9;
}

// The GB/s of all passes on so many threads.
struct Measured {
  Samples encode, decode, zstd1_encode, zstd1_decode, zstd3_encode, zstd3_decode, copy;
};

struct Sizes {
  Fp8Sizes stored;
  uint64_t zstd1 = 0;
  uint64_t zstd3 = 0;
};

absl::Status RunOnce(CodecWorkload& workload, int threads, Measured& measured, Sizes& sizes) {
  const uint64_t bytes = workload.weight_count();
  const auto check = [&](const char* what) {
    return workload.CheckDecoded()
               ? absl::OkStatus()
               : absl::InternalError(absl::StrCat(what, " did not give back the weights"));
  };
  measured.copy.push_back(TimedGbps(bytes, [&] { workload.Copy(threads); }));
  ECF8_RETURN_IF_ERROR(check("memcpy"));
  measured.encode.push_back(TimedGbps(bytes, [&] { workload.Encode(threads); }));
  measured.zstd1_encode.push_back(TimedGbps(bytes, [&] { workload.EncodeZstd(1, threads); }));
  ECF8_ASSIGN_OR_RETURN(sizes.stored, workload.StoredSizes());
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

struct Result {
  uint64_t weights = 0;
  double limit_bits = 0;
  int runs = 0;
  int threads = 0;
  Sizes sizes;
  Measured one, all;

  double Bits(uint64_t bytes) const {
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
  }
};

// Every figure of speed by its key, without the suffix.
std::vector<std::pair<std::string, Samples>> Figures(const Measured& measured) {
  return {{"decode_gbps", measured.decode},
          {"zstd1_decode_gbps", measured.zstd1_decode},
          {"zstd3_decode_gbps", measured.zstd3_decode},
          {"decode_vs_zstd1", Ratios(measured.decode, measured.zstd1_decode)},
          {"encode_gbps", measured.encode},
          {"zstd1_encode_gbps", measured.zstd1_encode},
          {"zstd3_encode_gbps", measured.zstd3_encode},
          {"encode_vs_zstd1", Ratios(measured.encode, measured.zstd1_encode)},
          {"memcpy_gbps", measured.copy}};
}

Json ResultJson(const Result& result) {
  const Fp8Sizes& stored = result.sizes.stored;
  Json report = {{"fp8_weights", result.weights},
                 {"decoder", SelectedDecoder().name},
                 {"encoder", SelectedEncoder().name},
                 {"runs", result.runs},
                 {"threads", result.threads},
                 {"stored_bytes", stored.bytes()},
                 {"zstd1_bytes", result.sizes.zstd1},
                 {"bits_per_weight", result.Bits(stored.bytes())},
                 {"chunk_bits_per_weight", result.Bits(stored.chunk_bytes)},
                 {"tables_bits_per_weight", result.Bits(stored.tables_bytes)},
                 {"padding_bits_per_weight", result.Bits(stored.padding_bytes)},
                 {"manifest_bits_per_weight", result.Bits(stored.manifest_bytes)},
                 {"zstd1_bits_per_weight", result.Bits(result.sizes.zstd1)},
                 {"zstd3_bits_per_weight", result.Bits(result.sizes.zstd3)},
                 {"limit_bits_per_weight", result.limit_bits}};
  Json spread;
  const auto add = [&](const std::string& key, const Samples& samples) {
    report[key] = Median(samples);
    const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
    spread[key] = {*low, *high};
  };
  for (const auto& [key, samples] : Figures(result.one)) add(key, samples);
  for (const auto& [key, samples] : Figures(result.all)) add(key + "_all_cores", samples);
  add("decode_all_cores_vs_one", Ratios(result.all.decode, result.one.decode));
  add("encode_all_cores_vs_one", Ratios(result.all.encode, result.one.encode));
  report["spread"] = std::move(spread);
  return report;
}

std::string BitsText(double bits) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4f", bits);
  return text;
}

std::string SpeedTable(const Result& result) {
  const Measured& one = result.one;
  const Measured& all = result.all;
  const std::string threads = absl::StrCat(", ", result.threads, " threads");
  const auto row = [&](const char* name, uint64_t bytes, const Samples& encode,
                       const Samples& decode, const Samples& encode_all,
                       const Samples& decode_all) -> std::vector<std::string> {
    return {name,
            BitsText(result.Bits(bytes)),
            Range(encode),
            Range(decode),
            Range(encode_all),
            Range(decode_all)};
  };
  return FormatTable(
      {{"", "BITS A WEIGHT", "ENCODE GB/s", "DECODE GB/s", "ENCODE" + threads, "DECODE" + threads},
       row("ecf8", result.sizes.stored.bytes(), one.encode, one.decode, all.encode, all.decode),
       row("zstd -1", result.sizes.zstd1, one.zstd1_encode, one.zstd1_decode, all.zstd1_encode,
           all.zstd1_decode),
       row("zstd -3", result.sizes.zstd3, one.zstd3_encode, one.zstd3_decode, all.zstd3_encode,
           all.zstd3_decode),
       row("memcpy", result.weights, one.copy, one.copy, all.copy, all.copy)},
      {false, true, true, true, true, true});
}

std::string ResultText(const Result& result) {
  const Fp8Sizes& stored = result.sizes.stored;
  std::string text = SpeedTable(result);
  absl::StrAppend(&text, "\necf8's bits a weight: chunks ",
                  BitsText(result.Bits(stored.chunk_bytes)), ", tables ",
                  BitsText(result.Bits(stored.tables_bytes)), ", padding ",
                  BitsText(result.Bits(stored.padding_bytes)), ", manifest ",
                  BitsText(result.Bits(stored.manifest_bytes)), "\n");
  absl::StrAppend(&text,
                  "limit of one code a tensor, 4 + H(exponent): ", BitsText(result.limit_bits),
                  " bits\n");
  const auto ratios = [&text](const char* what, const Measured& measured) {
    absl::StrAppend(&text, what, ": decode ", Range(Ratios(measured.decode, measured.zstd1_decode)),
                    " x zstd -1, encode ", Range(Ratios(measured.encode, measured.zstd1_encode)),
                    " x zstd -1\n");
  };
  ratios("1 thread", result.one);
  ratios(absl::StrCat(result.threads, " threads").c_str(), result.all);
  absl::StrAppend(&text, "decoder ", std::string(SelectedDecoder().name), ", encoder ",
                  std::string(SelectedEncoder().name), "; ", result.runs,
                  " runs; medians (least..greatest), ratios run by run\n");
  return text;
}

}  // namespace

absl::Status RunBenchCodec(const BenchCodecOptions& options, const CommandContext& context) {
  std::unique_ptr<BenchModel> model;
  uint64_t max_bytes = options.max_bytes;
  if (options.synthetic_bytes > 0) {
    model = BenchModel::Synthetic(options.synthetic_bytes);
    max_bytes = UINT64_MAX;
  } else {
    ECF8_ASSIGN_OR_RETURN(model, BenchModel::Open(options.model));
  }
  ECF8_ASSIGN_OR_RETURN(CodecWorkload workload, CodecWorkload::Load(*model, max_bytes));
  Result result;
  result.weights = workload.weight_count();
  result.limit_bits = workload.LimitBitsPerWeight();
  result.runs = options.runs;
  result.threads = options.threads > 0
                       ? options.threads
                       : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  Measured warm_up;
  ECF8_RETURN_IF_ERROR(RunOnce(workload, 1, warm_up, result.sizes));
  for (int run = 0; run < options.runs; ++run) {
    if (*context.cancel) return absl::CancelledError("interrupted");
    ECF8_RETURN_IF_ERROR(RunOnce(workload, 1, result.one, result.sizes));
    ECF8_RETURN_IF_ERROR(RunOnce(workload, result.threads, result.all, result.sizes));
  }
  if (context.json) {
    PrintJson(ResultJson(result));
  } else {
    std::fputs(ResultText(result).c_str(), stdout);
  }
  return absl::OkStatus();
}

}  // namespace ecf8
