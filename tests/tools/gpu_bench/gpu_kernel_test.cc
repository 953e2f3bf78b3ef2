// The decoder's kernel through CUDA's own calls: golden chunks, real weights and damaged ones
// against the oracle. On a GPU; and over the fake of CUDA, so that the test itself is known to
// work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "decoder/chunk_encoder.h"
#include "decoder/status_macros.h"
#include "decoder/tile_batch.h"
#include "loader/model/compressed_model.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/fake_cuda/fake_cuda.h"
#include "tests/support/golden_chunks.h"
#include "tests/support/model_chunks.h"
#include "tests/support/status_matchers.h"
#include "tools/gpu_bench/bench_gpu.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedChunk;
using ::ecf8::testing::ExpectedUnit;
using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using Bytes = std::vector<uint8_t>;

enum class Kind : uint8_t { kFakeCuda, kGpu };

void PrintTo(Kind kind, std::ostream* out) { *out << (kind == Kind::kGpu ? "gpu" : "fakecuda"); }

absl::Span<const uint8_t> LutsOf(const TableSet& tables) {
  return {reinterpret_cast<const uint8_t*>(tables.luts()),
          tables.size() * kLutEntries * sizeof(uint16_t)};
}

class GpuKernelTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    CudaCalls* calls = &fake_;
    if (GetParam() == Kind::kGpu) {
      const auto real = RealCuda();
      if (!real.ok()) GTEST_SKIP() << real.status().message();
      calls = *real;
    }
    auto gpu = BenchGpu::Open(*calls, 0);
    ASSERT_THAT(gpu, IsOk());
    gpu_ = *std::move(gpu);
  }

  // Decodes the unit's chunks by one launch. DATA_LOSS if that is what the kernel found.
  absl::Status Decode(const ExpectedUnit& unit, std::vector<Bytes>* decoded) {
    TileBatch batch;
    std::vector<DeviceBuffer> buffers;
    const auto upload = [&](absl::Span<const uint8_t> bytes) -> absl::StatusOr<uint8_t*> {
      ECF8_ASSIGN_OR_RETURN(DeviceBuffer buffer, gpu_->Allocate(bytes.size()));
      ECF8_RETURN_IF_ERROR(gpu_->Upload(bytes, buffer.get()));
      buffers.push_back(std::move(buffer));
      return buffers.back().get();
    };
    size_t numbers[2] = {0, 0};
    for (const TableSet* tables : {unit.tables.e4m3.get(), unit.tables.e5m2.get()}) {
      if (tables == nullptr) continue;
      ECF8_ASSIGN_OR_RETURN(const uint8_t* luts_dev, upload(LutsOf(*tables)));
      numbers[tables->codec() == Codec::kE5M2] =
          batch.AddTables(reinterpret_cast<const uint16_t*>(luts_dev), tables->size());
    }
    std::vector<uint8_t*> out_dev;
    for (const ExpectedChunk& chunk : unit.chunks) {
      const size_t weights = chunk.weights.size();
      ECF8_ASSIGN_OR_RETURN(const uint8_t* stored_dev, upload(chunk.stored));
      ECF8_ASSIGN_OR_RETURN(out_dev.emplace_back(), upload(Bytes(weights, 0xA5)));
      ECF8_RETURN_IF_ERROR(batch.Add({.codec = chunk.codec,
                                      .stored_dev = stored_dev,
                                      .stored_bytes = chunk.stored.size(),
                                      .weights = weights,
                                      .tile_count = TileCount(weights),
                                      .out_dev = out_dev.back()},
                                     numbers[chunk.codec == Codec::kE5M2]));
    }
    if (batch.tile_count() == 0) return absl::OkStatus();
    TileBatch::Layout layout;
    batch.LayOut(gpu_->shape(), &layout);
    Bytes errors(batch.tile_count(), 0xA5);
    ECF8_ASSIGN_OR_RETURN(const uint8_t* image_dev, upload(layout.image));
    ECF8_ASSIGN_OR_RETURN(uint8_t* const errors_dev, upload(errors));
    const TileWork work = layout.At(image_dev, errors_dev);
    ECF8_RETURN_IF_ERROR(gpu_->Time(0, "cudaLaunchKernel",
                                    [&](int /*run*/) {
                                      return gpu_->cuda().LaunchTileDecode(gpu_->shape(), work,
                                                                           gpu_->stream());
                                    })
                             .status());
    ECF8_RETURN_IF_ERROR(gpu_->Download(errors_dev, absl::MakeSpan(errors)));
    for (size_t i = 0; i < out_dev.size(); ++i) {
      decoded->emplace_back(unit.chunks[i].weights.size());
      ECF8_RETURN_IF_ERROR(gpu_->Download(out_dev[i], absl::MakeSpan(decoded->back())));
    }
    return batch.CheckErrors(errors);
  }

  absl::Status ExpectDecodes(const ExpectedUnit& unit) {
    std::vector<Bytes> decoded;
    ECF8_RETURN_IF_ERROR(Decode(unit, &decoded));
    for (size_t i = 0; i < decoded.size(); ++i) {
      if (decoded[i] != unit.chunks[i].weights) {
        return absl::DataLossError(unit.id + ": chunk " + std::to_string(i) + " differs");
      }
    }
    return absl::OkStatus();
  }

  FakeCuda fake_;
  std::unique_ptr<BenchGpu> gpu_;
};

ExpectedUnit UnitOf(const std::string& id, TableSet tables) {
  ExpectedUnit unit{.id = id, .tables = {}, .chunks = {}};
  auto& place = tables.codec() == Codec::kE5M2 ? unit.tables.e5m2 : unit.tables.e4m3;
  place = std::make_unique<TableSet>(std::move(tables));
  return unit;
}

TEST_P(GpuKernelTest, DecodesGoldenChunks) {
  for (const testing::GoldenChunk& golden : testing::GoldenChunks()) {
    auto tables = TableSet::Parse(golden.codec, testing::ReadGolden(golden, "tables"));
    ASSERT_THAT(tables, IsOk()) << golden.name;
    ExpectedUnit unit = UnitOf(golden.name, *std::move(tables));
    unit.chunks.push_back(
        {golden.codec, testing::ReadGolden(golden, "chunk"), testing::OracleWeights(golden)});
    ASSERT_EQ(unit.chunks[0].weights.size(), golden.weights) << golden.name;
    EXPECT_THAT(ExpectDecodes(unit), IsOk());
  }
}

TEST_P(GpuKernelTest, DecodesEveryKindAndSize) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    for (const std::string_view kind : WeightKinds()) {
      const Bytes all = MakeWeights(kind, codec, 100'000, 1);
      ExpectedUnit unit = UnitOf(std::string(kind), TablesFor(codec, all));
      const TableSet& tables = codec == Codec::kE5M2 ? *unit.tables.e5m2 : *unit.tables.e4m3;
      for (const size_t size : {1, 15, 16, 511, 512, 513, 1025, 32'768, 33'000, 100'000}) {
        Bytes weights(all.begin(), all.begin() + size);
        Bytes stored;
        ChunkEncoder(tables).Encode(weights, &stored);
        unit.chunks.push_back({codec, std::move(stored), std::move(weights)});
      }
      EXPECT_THAT(ExpectDecodes(unit), IsOk());
    }
  }
}

TEST_P(GpuKernelTest, SaysWhichTileIsBad) {
  const Bytes weights = MakeWeights("mixed", Codec::kE4M3, 3 * kTileWeights, 5);
  ExpectedUnit unit = UnitOf("bad", TablesFor(Codec::kE4M3, weights));
  Bytes stored;
  ChunkEncoder(*unit.tables.e4m3).Encode(weights, &stored);
  stored[4] |= 1;  // tile 1 begins at an odd byte
  unit.chunks.push_back({Codec::kE4M3, std::move(stored), weights});
  std::vector<Bytes> decoded;
  EXPECT_THAT(Decode(unit, &decoded),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("tile 1")));
  ASSERT_EQ(decoded.size(), 1);
  for (const size_t tile : {0, 2}) {
    const auto begin = static_cast<ptrdiff_t>(tile * kTileWeights);
    EXPECT_TRUE(std::equal(weights.begin() + begin,
                           weights.begin() + begin + static_cast<ptrdiff_t>(kTileWeights),
                           decoded[0].begin() + begin));
  }
}

// Every model in the directory $ECF8_GPU_MODELS; without it, the golden models.
TEST_P(GpuKernelTest, DecodesRealWeights) {
  const char* const elsewhere = std::getenv("ECF8_GPU_MODELS");
  const std::string models =
      elsewhere != nullptr ? elsewhere : ECF8_SOURCE_DIR "/tests/golden/model/valid";
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    if (!entry.is_directory()) continue;
    const auto model = CompressedModel::Open(entry.path());
    ASSERT_THAT(model, IsOk());
    EXPECT_THAT(testing::ForEachUnit(**model, {},
                                     [&](const ExpectedUnit& unit) { return ExpectDecodes(unit); }),
                IsOk())
        << entry.path();
    ++found;
  }
  EXPECT_GT(found, 0) << models;
}

INSTANTIATE_TEST_SUITE_P(Kinds, GpuKernelTest, ::testing::Values(ECF8_KERNEL_KINDS),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace ecf8
