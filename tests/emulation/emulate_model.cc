// emulate_model MODEL [--every N] [--traffic]: decodes a compressed model by the CUDA kernel in the
// emulator, a unit a launch, and compares every chunk with the oracle. With --every, only each N-th
// chunk. With --traffic, only coded chunks, in blocks as an H100 runs them, and it prints what the
// kernel asks of shared memory and the L1 cache: tools/sass_report has these figures. One line of
// JSON; exit status 1 if a byte differs.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/chunk_layout.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "loader/model/compressed_model.h"
#include "tests/emulation/emulated_decoder.h"
#include "tests/emulation/warp_emulator.h"
#include "tests/support/model_chunks.h"

namespace ecf8::emulation {
namespace {

// A block of an H100, and where its tables begin behind the rings (see the kernel's TablesBegin).
constexpr int kHopperThreads = 768;
constexpr size_t kHopperTablesOffset = 31 * 1024;

struct Totals {
  uint64_t chunks = 0;
  uint64_t weights = 0;
  uint64_t coded_weights = 0;
  uint64_t steps = 0;  // of 64 weights, groups filled up
  uint64_t word_bytes = 0;

  void Count(const testing::ExpectedChunk& chunk) {
    const size_t size = chunk.weights.size();
    ++chunks;
    weights += size;
    if (chunk.codec == Codec::kRaw || chunk.stored.size() == size) return;
    const ChunkLayout layout(chunk.codec, size);
    coded_weights += size;
    steps += GroupCount(size) * kLaneSymbols;
    word_bytes += chunk.stored.size() - layout.words_begin - layout.raw_size;
  }
};

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "emulate_model: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// One launch.
absl::Status RunUnit(const testing::ExpectedUnit& unit, Totals* totals) {
  EmulatedDecoder decoder;
  const size_t e4m3 = unit.tables.e4m3 != nullptr ? decoder.AddTables(*unit.tables.e4m3) : 0;
  const size_t e5m2 = unit.tables.e5m2 != nullptr ? decoder.AddTables(*unit.tables.e5m2) : 0;
  for (const testing::ExpectedChunk& chunk : unit.chunks) {
    const size_t weights = chunk.weights.size();
    ECF8_RETURN_IF_ERROR(decoder.Add({chunk.codec, chunk.stored, weights},
                                     chunk.codec == Codec::kE5M2 ? e5m2 : e4m3, 0,
                                     TileCount(weights)));
    totals->Count(chunk);
  }
  ECF8_RETURN_IF_ERROR(decoder.Run());
  for (size_t i = 0; i < unit.chunks.size(); ++i) {
    if (decoder.output(i) != absl::MakeConstSpan(unit.chunks[i].weights)) {
      return absl::DataLossError("unit " + unit.id + " differs");
    }
  }
  return absl::OkStatus();
}

void PrintTraffic(const TrafficCounts& counts, uint64_t steps) {
  const auto print = [&](const char* name, const Traffic& traffic) {
    std::printf(", \"%s_wavefronts_per_step\": %.3f", name,
                static_cast<double>(traffic.wavefronts) / static_cast<double>(steps));
  };
  print("table_load", counts.table_loads);
  print("word_load", counts.word_loads);
  print("shared_store", counts.shared_stores);
  print("global_load", counts.global_loads);
  print("global_store", counts.global_stores);
  print("prefetch", counts.prefetches);
}

int Main(int argc, char** argv) {
  uint64_t every = 1;
  bool traffic = false;
  std::string directory;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--traffic") {
      traffic = true;
    } else if (argument == "--every" && i + 1 < argc) {
      every = std::strtoull(argv[++i], nullptr, 10);
    } else {
      directory = argument;
    }
  }
  if (directory.empty() || every == 0) {
    std::fprintf(stderr, "emulate_model MODEL [--every N] [--traffic]\n");
    return 2;
  }
  const auto model = CompressedModel::Open(directory);
  if (!model.ok()) Die(model.status());
  if (traffic) {
    Device().max_threads = kHopperThreads;
    Device().multiprocessors = 1;
    StartCounting(kHopperTablesOffset);
  }
  Totals totals;
  const absl::Status status = testing::ForEachUnit(
      **model, {.every = every, .only_coded = traffic},
      [&](const testing::ExpectedUnit& unit) { return RunUnit(unit, &totals); });
  if (!status.ok()) Die(status);
  std::printf(
      "{\"model\": \"%s\", \"chunks\": %llu, \"weights\": %llu, \"coded_weights\": %llu, "
      "\"word_bits_per_weight\": %.4f",
      (*model)->name().c_str(), static_cast<unsigned long long>(totals.chunks),
      static_cast<unsigned long long>(totals.weights),
      static_cast<unsigned long long>(totals.coded_weights),
      8.0 * static_cast<double>(totals.word_bytes) / static_cast<double>(totals.coded_weights));
  if (traffic) PrintTraffic(StopCounting(), totals.steps);
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace ecf8::emulation

int main(int argc, char** argv) { return ecf8::emulation::Main(argc, argv); }
