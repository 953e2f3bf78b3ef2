#include "tools/gpu_bench/decode_sets.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

constexpr uint64_t kAlignment = 256;
// Of what is decoded, so many chunks a copy are compared, evenly spread.
constexpr uint64_t kComparedChunks = 64;

uint64_t Aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Memory whose first `done_bytes` are there: the others are to repeat them.
absl::Status FillUp(BenchGpu& gpu, uint8_t* memory_dev, uint64_t done_bytes, uint64_t size_bytes) {
  while (done_bytes < size_bytes) {
    const uint64_t more = std::min(done_bytes, size_bytes - done_bytes);
    ECF8_RETURN_IF_ERROR(gpu.CopyOnDevice(memory_dev, memory_dev + done_bytes, more));
    done_bytes += more;
  }
  return absl::OkStatus();
}

// `chunks` chunks at decoded_dev against those of `period` weights, over and over.
absl::Status Compare(BenchGpu& gpu, const uint8_t* decoded_dev, uint64_t chunks,
                     absl::Span<const uint8_t> period) {
  std::vector<uint8_t> decoded(kChunkWeights);
  const uint64_t step = std::max<uint64_t>(1, chunks / kComparedChunks);
  for (uint64_t chunk = 0; chunk < chunks; chunk += step) {
    const uint64_t at = chunk * kChunkWeights;
    ECF8_RETURN_IF_ERROR(gpu.Download(decoded_dev + at, absl::MakeSpan(decoded)));
    if (absl::MakeConstSpan(decoded) != period.subspan(at % period.size(), kChunkWeights)) {
      return absl::DataLossError(absl::StrCat("the GPU decoded chunk ", chunk, " of ", chunks,
                                              " to other weights than were encoded"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

TileDecodeSet::TileDecodeSet(BenchGpu& gpu, const BenchWeights& weights, const DecodeSetSize& size)
    : gpu_(gpu), weights_(weights), size_(size) {
  for (uint64_t i = 0; i < size.chunks; ++i) {
    stored_bytes_ += weights.chunks[i % weights.chunks.size()].size();
  }
}

absl::StatusOr<std::unique_ptr<TileDecodeSet>> TileDecodeSet::Create(BenchGpu& gpu,
                                                                     const BenchWeights& weights,
                                                                     const DecodeSetSize& size) {
  std::unique_ptr<TileDecodeSet> set(new TileDecodeSet(gpu, weights, size));
  ECF8_ASSIGN_OR_RETURN(set->memory_dev_, gpu.Allocate(size.copies * set->copy_bytes()));
  ECF8_RETURN_IF_ERROR(set->Fill());
  ECF8_RETURN_IF_ERROR(set->LayOut());
  return set;
}

absl::Status TileDecodeSet::Fill() {
  uint64_t at = 0;
  for (uint64_t i = 0; i < std::min<uint64_t>(size_.chunks, weights_.chunks.size()); ++i) {
    ECF8_RETURN_IF_ERROR(gpu_.Upload(weights_.chunks[i], stored_dev(0) + at));
    at += weights_.chunks[i].size();
  }
  ECF8_RETURN_IF_ERROR(FillUp(gpu_, stored_dev(0), at, stored_bytes_));
  for (uint64_t copy = 1; copy < size_.copies; ++copy) {
    ECF8_RETURN_IF_ERROR(gpu_.CopyOnDevice(stored_dev(0), stored_dev(copy), stored_bytes_));
  }
  return absl::OkStatus();
}

absl::Status TileDecodeSet::LayOut() {
  const absl::Span<const uint8_t> luts(reinterpret_cast<const uint8_t*>(weights_.tables.luts()),
                                       weights_.tables.size() * kLutEntries * sizeof(uint16_t));
  ECF8_ASSIGN_OR_RETURN(luts_dev_, gpu_.Allocate(luts.size()));
  ECF8_RETURN_IF_ERROR(gpu_.Upload(luts, luts_dev_.get()));
  batches_.resize(size_.copies);
  std::vector<TileBatch::Layout> layouts(size_.copies);
  uint64_t image_bytes = 0;
  for (uint64_t copy = 0; copy < size_.copies; ++copy) {
    TileBatch& tiles = batches_[copy].tiles;
    const size_t tables =
        tiles.AddTables(reinterpret_cast<const uint16_t*>(luts_dev_.get()), weights_.tables.size());
    uint64_t at = 0;
    for (uint64_t i = 0; i < size_.chunks; ++i) {
      const uint64_t stored = weights_.chunks[i % weights_.chunks.size()].size();
      ECF8_RETURN_IF_ERROR(tiles.Add({.codec = Codec::kE4M3,
                                      .stored_dev = stored_dev(copy) + at,
                                      .stored_bytes = stored,
                                      .weights = kChunkWeights,
                                      .tile_count = kChunkTiles,
                                      .out_dev = out_dev(copy) + i * kChunkWeights},
                                     tables));
      at += stored;
    }
    tiles.LayOut(gpu_.shape(), &layouts[copy]);
    image_bytes = std::max<uint64_t>(image_bytes, Aligned(layouts[copy].image.size()));
  }
  const uint64_t error_bytes = Aligned(batches_[0].tiles.tile_count());
  ECF8_ASSIGN_OR_RETURN(images_dev_, gpu_.Allocate(size_.copies * image_bytes));
  ECF8_ASSIGN_OR_RETURN(errors_dev_, gpu_.Allocate(size_.copies * error_bytes));
  for (uint64_t copy = 0; copy < size_.copies; ++copy) {
    Batch& batch = batches_[copy];
    uint8_t* const image_dev = images_dev_.get() + copy * image_bytes;
    batch.errors_dev = errors_dev_.get() + copy * error_bytes;
    batch.work = layouts[copy].At(image_dev, batch.errors_dev);
    ECF8_RETURN_IF_ERROR(gpu_.Upload(layouts[copy].image, image_dev));
  }
  return absl::OkStatus();
}

CudaError TileDecodeSet::Launch(uint64_t copy) {
  return gpu_.cuda().LaunchTileDecode(gpu_.shape(), batches_[copy].work, gpu_.stream());
}

CudaError TileDecodeSet::CopySameBytes(uint64_t copy) {
  const uint64_t half = copy_bytes() / 2 / kSectionAlignment * kSectionAlignment;
  return gpu_.cuda().MemcpyAsync(stored_dev(copy) + half, stored_dev(copy), half,
                                 CudaCopy::kDeviceToDevice, gpu_.stream());
}

absl::Status TileDecodeSet::Verify() {
  for (uint64_t copy = 0; copy < size_.copies; ++copy) {
    std::vector<uint8_t> errors(batches_[copy].tiles.tile_count());
    ECF8_RETURN_IF_ERROR(gpu_.Download(batches_[copy].errors_dev, absl::MakeSpan(errors)));
    ECF8_RETURN_IF_ERROR(batches_[copy].tiles.CheckErrors(errors));
    ECF8_RETURN_IF_ERROR(Compare(gpu_, out_dev(copy), size_.chunks, weights_.weights));
  }
  return absl::OkStatus();
}

TwoPassSet::TwoPassSet(BenchGpu& gpu, const BenchWeights& weights, const DecodeSetSize& size)
    : gpu_(gpu),
      weights_(weights),
      copies_(size.copies),
      code_(EncodeTwoPass(
          absl::MakeConstSpan(weights.weights).subspan(0, size.chunks * kChunkWeights))),
      repeats_((size.chunks * kChunkWeights + code_.weights - 1) / code_.weights) {}

absl::StatusOr<std::unique_ptr<TwoPassSet>> TwoPassSet::Create(BenchGpu& gpu,
                                                               const BenchWeights& weights,
                                                               const DecodeSetSize& size) {
  std::unique_ptr<TwoPassSet> set(new TwoPassSet(gpu, weights, size));
  ECF8_RETURN_IF_ERROR(set->Fill());
  return set;
}

absl::StatusOr<DeviceBuffer> TwoPassSet::Repeat(absl::Span<const uint8_t> bytes) {
  const uint64_t size_bytes = copies_ * repeats_ * bytes.size();
  // Behind the words, 4 bytes are looked at.
  ECF8_ASSIGN_OR_RETURN(DeviceBuffer memory_dev, gpu_.Allocate(size_bytes + kAlignment));
  ECF8_RETURN_IF_ERROR(gpu_.Upload(bytes, memory_dev.get()));
  ECF8_RETURN_IF_ERROR(FillUp(gpu_, memory_dev.get(), bytes.size(), size_bytes));
  return memory_dev;
}

absl::Status TwoPassSet::Fill() {
  ECF8_ASSIGN_OR_RETURN(words_dev_, Repeat(code_.words));
  ECF8_ASSIGN_OR_RETURN(gaps_dev_, Repeat(code_.gaps));
  ECF8_ASSIGN_OR_RETURN(raw_dev_, Repeat(code_.raw));
  std::vector<uint64_t> first;
  for (uint64_t repeat = 0; repeat < repeats_; ++repeat) {
    for (size_t block = 0; block < code_.block_count(); ++block) {
      first.push_back(repeat * code_.weights + code_.first[block]);
    }
  }
  first.push_back(decoded_bytes());
  const absl::Span<const uint8_t> first_bytes(reinterpret_cast<const uint8_t*>(first.data()),
                                              first.size() * sizeof(uint64_t));
  ECF8_ASSIGN_OR_RETURN(first_dev_, gpu_.Allocate(first_bytes.size()));
  ECF8_RETURN_IF_ERROR(gpu_.Upload(first_bytes, first_dev_.get()));
  ECF8_ASSIGN_OR_RETURN(luts_dev_, gpu_.Allocate(code_.luts.size()));
  ECF8_RETURN_IF_ERROR(gpu_.Upload(code_.luts, luts_dev_.get()));
  ECF8_ASSIGN_OR_RETURN(out_dev_, gpu_.Allocate(copies_ * decoded_bytes()));
  for (uint64_t copy = 0; copy < copies_; ++copy) {
    const uint64_t before = copy * repeats_;
    works_.push_back({.words_dev = words_dev_.get() + before * code_.words.size(),
                      .gaps_dev = gaps_dev_.get() + before * code_.gaps.size(),
                      .raw_dev = raw_dev_.get() + before * code_.raw.size(),
                      .first_dev = first_dev_.get(),
                      .luts_dev = luts_dev_.get(),
                      .out_dev = out_dev_.get() + copy * decoded_bytes(),
                      .luts_bytes = static_cast<uint32_t>(code_.luts.size()),
                      .max_block_weights = code_.max_block_weights(),
                      .block_count = static_cast<uint32_t>(first.size() - 1)});
  }
  return absl::OkStatus();
}

absl::Status TwoPassSet::Verify() {
  for (uint64_t copy = 0; copy < copies_; ++copy) {
    ECF8_RETURN_IF_ERROR(Compare(gpu_, works_[copy].out_dev, decoded_bytes() / kChunkWeights,
                                 absl::MakeConstSpan(weights_.weights).subspan(0, code_.weights)));
  }
  return absl::OkStatus();
}

}  // namespace ecf8
