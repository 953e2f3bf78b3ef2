#include "tests/emulation/emulated_tile_kernel.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "decoder/format.h"
#include "decoder/tile_decode_cuda.h"
#include "loader/base/mutex.h"
#include "tests/emulation/device_memory.h"
#include "tests/emulation/warp_emulator.h"

namespace ecf8 {

// The kernel under names of its own: a program may hold the one for GPUs, too.
int PrepareEmulatedTileDecode(TileDecodeShape* shape);
int LaunchEmulatedTileDecode(const TileDecodeShape& shape, const TileWork& work, void* stream);

namespace emulation {
namespace {

using Access = DeviceBuffer::Access;

// A copy of the work in the emulator's memory.
class EmulatedWork {
 public:
  EmulatedWork(const TileWork& work, const testing::ResolveAddress& resolve, std::string* where)
      : work_(work), resolve_(resolve), where_(where) {}

  bool Run() { return CopyIn() && Launch() && CopyOut(); }

 private:
  bool Bad(const std::string& what) {
    *where_ = what;
    return false;
  }

  template <typename T>
  const T* Resolve(const T* at_dev, uint64_t count) const {
    return reinterpret_cast<const T*>(resolve_(at_dev, count * sizeof(T), /*write=*/false));
  }

  // The address of a copy.
  template <typename T>
  const T* Put(const T* values, uint64_t count) {
    const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(values),
                                          count * sizeof(T));
    buffers_.push_back(std::make_unique<DeviceBuffer>(bytes, Access::kRead));
    return reinterpret_cast<const T*>(buffers_.back()->data());
  }

  bool CopyIn() {
    const auto* blocks = Resolve(work_.blocks_dev, work_.block_count);
    if (blocks == nullptr) return Bad("the list of blocks");
    blocks_.assign(blocks, blocks + work_.block_count);
    uint32_t item_count = 0;
    for (TileWorkBlock& block : blocks_) {
      item_count = std::max(item_count, block.first_item + block.item_count);
      if (block.table_count == 0) continue;
      const auto* luts = Resolve(block.luts_dev, uint64_t{block.table_count} * kLutEntries);
      if (luts == nullptr) return Bad("the look-up tables");
      block.luts_dev = Put(luts, uint64_t{block.table_count} * kLutEntries);
    }
    const auto* items = Resolve(work_.items_dev, item_count);
    if (items == nullptr) return Bad("the list of tiles");
    items_.assign(items, items + item_count);
    const uint32_t last = *std::max_element(items_.begin(), items_.end());
    const auto* chunks = Resolve(work_.chunks_dev, last / kChunkTiles + 1);
    if (chunks == nullptr) return Bad("the list of chunks");
    asked_.assign(chunks, chunks + last / kChunkTiles + 1);
    chunks_ = asked_;
    for (size_t i = 0; i < chunks_.size(); ++i) {
      if (!CopyChunkIn(i)) return Bad("a chunk");
    }
    return true;
  }

  // Its tiles follow one another: TileBatch takes them so.
  bool CopyChunkIn(size_t number) {
    TileWorkChunk& chunk = chunks_[number];
    size_t first = kChunkTiles;
    size_t end = 0;
    for (const TileWorkItem item : items_) {
      if (item / kChunkTiles != number) continue;
      first = std::min<size_t>(first, item % kChunkTiles);
      end = std::max<size_t>(end, item % kChunkTiles + 1);
    }
    const auto* stored = Resolve(chunk.stored_dev, chunk.stored_bytes);
    if (stored == nullptr || first >= end) return false;
    chunk.stored_dev = Put(stored, chunk.stored_bytes);
    outputs_.push_back(std::make_unique<DeviceBuffer>(
        TileRangeWeights(chunk.weights, first, end - first), Access::kReadWrite));
    chunk.out_dev = outputs_.back()->data() - first * kTileWeights;
    return true;
  }

  bool Launch() {
    TileDecodeShape shape;
    if (PrepareEmulatedTileDecode(&shape) != 0) return Bad("the kernel was not prepared");
    errors_ = std::make_unique<DeviceBuffer>(items_.size(), Access::kReadWrite);
    const TileWork work = {.blocks_dev = Put(blocks_.data(), blocks_.size()),
                           .chunks_dev = Put(chunks_.data(), chunks_.size()),
                           .items_dev = Put(items_.data(), items_.size()),
                           .errors_dev = errors_->data(),
                           .block_count = work_.block_count,
                           .max_tables = work_.max_tables};
    if (LaunchEmulatedTileDecode(shape, work, nullptr) != 0) return Bad(LaunchError());
    return true;
  }

  bool CopyOut() {
    uint8_t* const errors = resolve_(work_.errors_dev, items_.size(), /*write=*/true);
    if (errors == nullptr) return Bad("the tiles' errors");
    std::copy(errors_->span().begin(), errors_->span().end(), errors);
    for (const TileWorkItem item : items_) {
      const TileWorkChunk& chunk = asked_[item / kChunkTiles];
      const size_t tile = item % kChunkTiles;
      const size_t size = TileRangeWeights(chunk.weights, tile, 1);
      uint8_t* const out = resolve_(chunk.out_dev + tile * kTileWeights, size, /*write=*/true);
      if (out == nullptr) return Bad("a chunk's output");
      std::memcpy(out, chunks_[item / kChunkTiles].out_dev + tile * kTileWeights, size);
    }
    return true;
  }

  const TileWork& work_;
  const testing::ResolveAddress& resolve_;
  std::string* const where_;
  std::vector<TileWorkBlock> blocks_;
  std::vector<TileWorkItem> items_;
  std::vector<TileWorkChunk> asked_;   // with the addresses that the device gave
  std::vector<TileWorkChunk> chunks_;  // with the emulator's
  std::vector<std::unique_ptr<DeviceBuffer>> buffers_;
  std::vector<std::unique_ptr<DeviceBuffer>> outputs_;
  std::unique_ptr<DeviceBuffer> errors_;
};

}  // namespace

bool RunTileWorkEmulated(const TileWork& work, const testing::ResolveAddress& resolve,
                         std::string* where) {
  static Mutex& mutex = *new Mutex;  // there is one emulator
  MutexLock lock(mutex);
  return EmulatedWork(work, resolve, where).Run();
}

}  // namespace emulation
}  // namespace ecf8
