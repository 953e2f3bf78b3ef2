// emulate_model MODEL [--every N] [--traffic]: decodes a compressed model by the CUDA kernel in the
// emulator, a unit a launch, and compares every chunk with the oracle. With --every, only each N-th
// chunk. With --traffic, only coded chunks, in blocks as an H100 runs them, and it prints what the
// kernel asks of shared memory and the L1 cache: tools/sass_report has these figures. One line of
// JSON; exit status 1 if a byte differs.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/chunk_layout.h"
#include "decoder/format.h"
#include "loader/model/compressed_model.h"
#include "tests/emulation/emulated_decoder.h"
#include "tests/emulation/warp_emulator.h"
#include "tests/support/oracle.h"

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
};

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "emulate_model: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

std::vector<oracle::Table> OracleTables(const TableSet* tables) {
  if (tables == nullptr) return {};
  return oracle::ParseTables(static_cast<oracle::Format>(tables->codec()), tables->Serialize())
      .value();
}

class Runner {
 public:
  Runner(const CompressedModel& model, uint64_t every, bool only_coded)
      : model_(model), every_(every), only_coded_(only_coded) {}

  // One launch.
  void RunUnit(uint32_t index) {
    const Unit& unit = model_.unit(index);
    auto tables = model_.ReadTables(index);
    if (!tables.ok()) Die(tables.status());
    EmulatedDecoder decoder;
    std::vector<std::vector<uint8_t>> expected;
    const std::vector<oracle::Table> e4m3 = OracleTables(tables->e4m3.get());
    const std::vector<oracle::Table> e5m2 = OracleTables(tables->e5m2.get());
    const size_t e4m3_dev = tables->e4m3 != nullptr ? decoder.AddTables(*tables->e4m3) : 0;
    const size_t e5m2_dev = tables->e5m2 != nullptr ? decoder.AddTables(*tables->e5m2) : 0;
    for (uint32_t p = 0; p < unit.pieces.size(); ++p) {
      const Piece& piece = unit.pieces[p];
      const bool is_e5m2 = piece.codec == Codec::kE5M2;
      for (uint32_t c = 0; c < piece.chunks.size(); ++c) {
        if (only_coded_ && piece.codec == Codec::kRaw) break;
        if (seen_++ % every_ != 0) continue;
        std::vector<uint8_t> stored;
        const absl::Status read = model_.ReadStoredChunk({index, p}, c, &stored);
        if (!read.ok()) Die(read);
        const size_t weights = ChunkWeightsAt(piece.decoded_size_bytes, c);
        const absl::Status added = decoder.Add(
            {piece.codec, stored, weights}, is_e5m2 ? e5m2_dev : e4m3_dev, 0, TileCount(weights));
        if (!added.ok()) Die(added);
        Count(piece.codec, stored.size(), weights);
        expected.push_back(oracle::DecodeChunk(static_cast<oracle::Format>(piece.codec),
                                               is_e5m2 ? e5m2 : e4m3, stored, weights)
                               .value());
      }
    }
    const absl::Status status = decoder.Run();
    if (!status.ok()) Die(status);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (decoder.output(i) != absl::MakeConstSpan(expected[i])) {
        Die(absl::DataLossError("unit " + unit.id + " differs"));
      }
    }
  }

  const Totals& totals() const { return totals_; }

 private:
  void Count(Codec codec, size_t stored, size_t weights) {
    ++totals_.chunks;
    totals_.weights += weights;
    if (codec == Codec::kRaw || stored == weights) return;
    const ChunkLayout layout(codec, weights);
    totals_.coded_weights += weights;
    totals_.steps += GroupCount(weights) * kLaneSymbols;
    totals_.word_bytes += stored - layout.words_begin - layout.raw_size;
  }

  const CompressedModel& model_;
  const uint64_t every_;
  const bool only_coded_;
  uint64_t seen_ = 0;
  Totals totals_;
};

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
  Runner runner(**model, every, traffic);
  for (uint32_t unit = 0; unit < (*model)->unit_count(); ++unit) runner.RunUnit(unit);
  const Totals& totals = runner.totals();
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
