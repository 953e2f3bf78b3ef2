// The decoder on an NVIDIA GPU: a warp decodes a tile, a lane of the format is a thread. What it
// costs and why it is written so: docs/GPU.md.
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "decoder/cuda_intrinsics.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/lane_window.h"
#include "decoder/tile_decode_cuda.h"
#include "decoder/tile_work.h"

namespace ecf8 {
namespace {

constexpr uint32_t kTableBytes = kLutEntries * sizeof(uint16_t);
constexpr uint32_t kTileSelectorBytes = kTileGroups / 2;

// The threads of a block and the blocks of a multiprocessor that registers are to suffice for.
// Shared memory allows as many, with eight tables: 88 to 104 KiB a block.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900 && __CUDA_ARCH__ % 100 == 0
constexpr int kMaxThreads = 1024;  // 8.0: 164 KiB of shared memory
constexpr int kMinBlocks = 1;
#elif defined(__CUDA_ARCH__) && (__CUDA_ARCH__ < 900 || __CUDA_ARCH__ >= 1200)
constexpr int kMaxThreads = 768;  // 8.6, 8.9, 12.0: 100 KiB
constexpr int kMinBlocks = 1;
#else
constexpr int kMaxThreads = 512;  // 9.0, 10.0: 228 KiB; more warps decode no more
constexpr int kMinBlocks = 2;
#endif

// One value of a warp, if all lanes have the same: so the compiler knows that they do.
__device__ __forceinline__ uint32_t Uniform(uint32_t value) {
  return __reduce_or_sync(kWholeWarp, value);
}

// The words of the tile that a warp decodes: a window on them in shared memory.
//
// The stream comes in slices of 256 bytes, 8 a lane. Three are in shared memory and the one behind
// them on its way into registers. A group takes at most two slices, so it needs no more than what
// is there when it starts. The two first slices of the ring are there a second time behind its end:
// a group reads straight on and never wraps.
class WordRing {
 public:
  static constexpr uint32_t kSliceBytes = 256;
  static constexpr uint32_t kRingBytes = 3 * kSliceBytes;
  static constexpr uint32_t kBytes = kRingBytes + 2 * kSliceBytes;
  static_assert(2 * kSliceBytes >= kGroupSymbols * sizeof(uint16_t));
  // A line of the L1 cache. Slices lie on multiples of it, so that half a warp asks for one line.
  static constexpr uint32_t kLineBytes = 128;
  static_assert(kSliceBytes >= 2 * kLaneCount * sizeof(uint16_t) + kLineBytes);

  // `begin` is the address of kBytes of shared memory, on a multiple of 16.
  __device__ WordRing(uint32_t begin, uint32_t lane)
      : begin_(begin), lane_bytes_(lane * sizeof(uint2)), lanes_below_(LanesBelow()) {}

  // Starts at byte `first` (even) of the `size` bytes at stored_dev (both multiples of 16). What
  // lies before and behind these bytes is zero.
  __device__ void Start(const uint8_t* stored_dev, uint32_t first, uint32_t size) {
    const auto skipped =
        static_cast<uint32_t>(reinterpret_cast<uintptr_t>(stored_dev + first) % kLineBytes);
    stored_dev_ = stored_dev;
    size_ = size;
    // Below zero for lanes that are before the chunk: that is not below size_, either.
    fetched_ = first - skipped + lane_bytes_;
    __syncwarp();  // all lanes are done with the tile before
    for (uint32_t slice = 0; slice < 3; ++slice) {
      StoreSlice(begin_ + slice * kSliceBytes, Fetch());
    }
    ahead_ = Fetch();
    PrefetchNext();
    slice_end_ = begin_ + kSliceBytes;
    next_word_ = begin_ + skipped;
    __syncwarp();
  }

  // The lane's words at the tile's start: every lane takes one, then every lane another.
  __device__ LaneWindow StartLane() {
    const uint32_t address = next_word_ + lane_bytes_ / 4;
    LaneWindow window;
    window.Start(LoadShared16(address), LoadShared16(address + kLaneCount * sizeof(uint16_t)));
    next_word_ += 2 * kLaneCount * sizeof(uint16_t);
    return window;
  }

  // Stores the slice that was fetched where the next group may need it. All lanes together, before
  // each group.
  __device__ __forceinline__ void Prepare() {
    if (next_word_ < slice_end_) return;
    __syncwarp();  // all lanes have read what is replaced
    for (;;) {
      StoreSlice(slice_end_ - kSliceBytes, ahead_);
      slice_end_ += kSliceBytes;
      if (slice_end_ > begin_ + kRingBytes) {
        slice_end_ -= kRingBytes;
        next_word_ -= kRingBytes;
      }
      if (next_word_ < slice_end_) break;
      ahead_ = Fetch();
    }
    stored_ = true;
    __syncwarp();
  }

  // Begins to fetch another slice, if one was stored.
  __device__ __forceinline__ void FetchAhead() {
    if (!stored_) return;
    ahead_ = Fetch();
    PrefetchNext();
    stored_ = false;
  }

  // Lanes that need a word take one each, in order.
  __device__ __forceinline__ void Refill(LaneWindow* window) {
    const bool needs = window->needs_word();
    const uint32_t takers = __ballot_sync(kWholeWarp, needs);
    // Loaded by all lanes: a load that depends on nothing can start earlier than a test.
    const uint32_t word = LoadShared16(next_word_ + 2 * __popc(takers & lanes_below_));
    if (needs) window->Take(word);
    next_word_ += 2 * __popc(takers);
  }

 private:
  __device__ __forceinline__ uint2 Fetch() {
    uint2 bytes = make_uint2(0, 0);
    if (fetched_ < size_) bytes = LoadGlobal64(stored_dev_ + fetched_);
    fetched_ += kSliceBytes;
    return bytes;
  }
  // Of the slice that Fetch is to load next, as far as there is one.
  __device__ __forceinline__ void PrefetchNext() const {
    PrefetchGlobal(stored_dev_ + min(fetched_, size_ - 1));
  }
  __device__ __forceinline__ void StoreSlice(uint32_t slice, uint2 bytes) {
    StoreShared64(slice + lane_bytes_, bytes);
    if (slice < begin_ + 2 * kSliceBytes) StoreShared64(slice + kRingBytes + lane_bytes_, bytes);
  }

  const uint32_t begin_;
  const uint32_t lane_bytes_;
  const uint32_t lanes_below_;
  const uint8_t* stored_dev_;
  uint32_t size_;
  uint32_t fetched_;     // where the lane's bytes of the slice behind ahead_ are
  uint2 ahead_;          // the lane's bytes of the slice that follows the three
  bool stored_ = false;  // ahead_ is in the ring: it wants to be fetched anew
  uint32_t slice_end_;   // address behind the slice that next_word_ was in
  uint32_t next_word_;
};

// The raw bits of a lane in a group, and how they and its eight look-up entries become weights.
template <Codec kCodec>
class LaneRaw;

template <>
class LaneRaw<Codec::kE4M3> {
 public:
  // Where in a group's raw bits the lane's are, for Load.
  static __device__ uint32_t LaneOffset(uint32_t lane) { return lane * 8; }

  __device__ __forceinline__ void Load(const uint8_t* at_dev, uint32_t /*lane*/) {
    bits_ = LoadGlobal64(at_dev);
  }
  __device__ __forceinline__ uint4 Merge(const uint32_t* entries) const {
    const uint32_t low = Symbols(entries);
    const uint32_t high = Symbols(entries + 4);
    return make_uint4(Traits::MergeLow(low, bits_.x), Traits::MergeLow(high, bits_.y),
                      Traits::MergeHigh(low, bits_.x), Traits::MergeHigh(high, bits_.y));
  }

 private:
  using Traits = Fp8Traits<Codec::kE4M3>;
  static_assert(Traits::kSymbolShift == 8);
  // The symbols of four entries.
  static __device__ __forceinline__ uint32_t Symbols(const uint32_t* entries) {
    return __byte_perm(__byte_perm(entries[0], entries[1], 0x0051),
                       __byte_perm(entries[2], entries[3], 0x0051), 0x5410);
  }

  uint2 bits_;
};

template <>
class LaneRaw<Codec::kE5M2> {
 public:
  // A lane's 6 bytes lie in two words, from the first or from the third byte on.
  static __device__ uint32_t LaneOffset(uint32_t lane) { return lane * 6 / 4 * 4; }

  __device__ __forceinline__ void Load(const uint8_t* at_dev, uint32_t lane) {
    const uint32_t first = LoadGlobal32(at_dev);
    const uint32_t second = LoadGlobal32(at_dev + 4);
    const uint32_t shift = lane % 2 * 16;
    low_ = __funnelshift_r(first, second, shift);
    high_ = second >> shift;
  }
  __device__ __forceinline__ uint4 Merge(const uint32_t* entries) const {
    const Exponents a = InPlace(entries);
    const Exponents b = InPlace(entries + 4);
    return make_uint4(Traits::Merge(a.low, low_), Traits::Merge(b.low, low_ >> 12),
                      Traits::Merge(a.high, __funnelshift_r(low_, high_, 24)),
                      Traits::Merge(b.high, high_ >> 4));
  }

 private:
  using Traits = Fp8Traits<Codec::kE5M2>;
  static_assert(Traits::kSymbolShift == 6);
  struct Exponents {
    uint32_t low;   // of weight j, in bits 6..2 of its byte
    uint32_t high;  // of weight j + 8
  };
  static __device__ __forceinline__ Exponents InPlace(const uint32_t* entries) {
    const uint32_t first = __byte_perm(entries[0], entries[1], 0x5410);
    const uint32_t second = __byte_perm(entries[2], entries[3], 0x5410);
    return {__byte_perm(first >> 4, second >> 4, 0x6420), __byte_perm(first, second, 0x7531) >> 1};
  }

  uint32_t low_;
  uint32_t high_;
};

// Stores the first `count` of 16 bytes; none if it is not positive.
__device__ __forceinline__ void StorePart(uint8_t* out_dev, uint4 bytes, int32_t count) {
  if (count >= 16) {
    StoreGlobal128(out_dev, bytes);
    return;
  }
  for (int32_t i = 0; i < count; ++i) {
    StoreGlobal8(out_dev + i, bytes.x & 0xFF);
    bytes.x = __funnelshift_r(bytes.x, bytes.y, 8);
    bytes.y = __funnelshift_r(bytes.y, bytes.z, 8);
    bytes.z = __funnelshift_r(bytes.z, bytes.w, 8);
    bytes.w >>= 8;
  }
}

// A tile of a coded chunk.
struct CodedTile {
  uint32_t weights;        // 1 to kTileWeights
  uint32_t selectors;      // the lane's byte of table numbers: of groups 2 * lane and 2 * lane + 1
  const uint8_t* raw_dev;  // the tile's raw bits
  uint8_t* out_dev;
};

// Decodes a group, for which `ring` is prepared. `ring` and `window` go on to the next.
template <Codec kCodec>
__device__ __forceinline__ uint4 DecodeGroup(uint32_t table, const LaneRaw<kCodec>& raw,
                                             WordRing* ring, LaneWindow* window) {
  uint32_t entries[kLaneSymbols];
#pragma unroll
  for (uint32_t j = 0; j < kLaneSymbols; ++j) {
    entries[j] = LoadShared16(table | (window->offset() & LaneWindow::kOffsetMask));
    window->Remove<kCodec>(entries[j]);
    ring->Refill(window);
  }
  ring->Prepare();
  return raw.Merge(entries);
}

// Decodes all groups. `ring` is at the tile's first word, `tables` the address of the first table.
template <Codec kCodec>
__device__ __forceinline__ void DecodeGroups(const CodedTile& tile, uint32_t lane, uint32_t tables,
                                             WordRing* ring) {
  constexpr uint32_t kRawBytes = Fp8Traits<kCodec>::kGroupRawBytes;
  constexpr uint32_t kPairWeights = 2 * kGroupWeights;
  const uint8_t* raw_dev = tile.raw_dev + LaneRaw<kCodec>::LaneOffset(lane);
  uint8_t* out_dev = tile.out_dev + lane * kLaneWeights;
  LaneWindow window = ring->StartLane();
  ring->Prepare();
  // Whole groups, two in a turn: they share a byte of table numbers. What a group needs of global
  // memory is fetched at the end of the group before, after that one's has been used: compilers
  // give all loads one barrier, so that a wait for an old one is a wait for a young one, too. That
  // is too late to wait for memory under load: so it is in the L2 cache by then.
  LaneRaw<kCodec> raw;
  const uint32_t pairs = tile.weights / kPairWeights;
  if (pairs != 0) raw.Load(raw_dev, lane);
  for (uint32_t pair = 0; pair < pairs; ++pair) {
    const uint32_t selectors = __shfl_sync(kWholeWarp, tile.selectors, pair);
    uint4 weights = DecodeGroup(tables + (selectors & 15) * kTableBytes, raw, ring, &window);
    StoreGlobal128(out_dev, weights);
    raw_dev += kRawBytes;
    raw.Load(raw_dev, lane);
    // The last turn fetches its own again: there may be nothing behind them.
    const bool last = pair + 1 == pairs;
    // Both groups' of the next turn, side by side.
    PrefetchGlobal(raw_dev + (last ? 0 : kRawBytes + lane * Fp8Traits<kCodec>::kLaneRawBytes));
    ring->FetchAhead();
    weights = DecodeGroup(tables + (selectors >> 4) * kTableBytes, raw, ring, &window);
    StoreGlobal128(out_dev + kGroupWeights, weights);
    raw_dev += last ? 0 : kRawBytes;
    raw.Load(raw_dev, lane);
    ring->FetchAhead();
    out_dev += kPairWeights;
  }
  if (pairs != 0) raw_dev += kRawBytes;
  // What is left of a ragged tile.
  uint32_t selectors = __shfl_sync(kWholeWarp, tile.selectors, pairs % kLaneCount);
  int32_t left = static_cast<int32_t>(tile.weights % kPairWeights);
  while (left > 0) {
    raw.Load(raw_dev, lane);
    const uint4 weights = DecodeGroup(tables + (selectors & 15) * kTableBytes, raw, ring, &window);
    ring->FetchAhead();
    StorePart(out_dev, weights, left - static_cast<int32_t>(lane * kLaneWeights));
    selectors >>= 4;
    raw_dev += kRawBytes;
    out_dev += kGroupWeights;
    left -= static_cast<int32_t>(kGroupWeights);
  }
}

// Checks what the tile's stored bytes say, then decodes it.
template <Codec kCodec>
__device__ __forceinline__ TileError DecodeTile(const TileWorkChunk& chunk, uint32_t number,
                                                uint32_t lane, uint32_t tables,
                                                uint32_t table_count, WordRing* ring) {
  const uint32_t first = number * static_cast<uint32_t>(kTileWeights);
  const uint32_t offset = Uniform(LoadGlobal32(chunk.stored_dev + number * sizeof(uint32_t)));
  if (offset % 2 != 0 || offset < chunk.words_begin || offset > chunk.raw_begin) {
    return TileError::kOffset;
  }
  const uint32_t weights = Uniform(min(chunk.weights - first, static_cast<uint32_t>(kTileWeights)));
  const uint32_t groups = static_cast<uint32_t>(GroupCount(weights));
  uint32_t selectors = 0;
  if (2 * lane < groups) {
    const uint8_t* selectors_dev =
        chunk.stored_dev + chunk.selectors_begin + number * kTileSelectorBytes;
    selectors = LoadGlobal32(selectors_dev + lane / 4 * 4) >> lane % 4 * 8 & 0xFF;
    if (2 * lane + 1 == groups) selectors &= 15;
  }
  const bool bad = (selectors & 15) >= table_count || selectors >> 4 >= table_count;
  if (__any_sync(kWholeWarp, bad)) return TileError::kTable;
  ring->Start(chunk.stored_dev, offset, chunk.stored_bytes);
  const size_t raw = chunk.raw_begin +
                     size_t{number} * kTileGroups * Fp8Traits<kCodec>::kLaneRawBytes * kLaneCount;
  DecodeGroups<kCodec>({weights, selectors, chunk.stored_dev + raw, chunk.out_dev + first}, lane,
                       tables, ring);
  return TileError::kNone;
}

// A tile of a raw chunk.
__device__ __forceinline__ void CopyTile(const TileWorkChunk& chunk, uint32_t number,
                                         uint32_t lane) {
  constexpr uint32_t kStep = kLaneCount * sizeof(uint4);
  constexpr uint32_t kUnrolled = 4;
  const uint32_t begin = number * static_cast<uint32_t>(kTileWeights);
  const uint32_t end = min(chunk.weights, begin + static_cast<uint32_t>(kTileWeights));
  uint32_t at = begin + lane * sizeof(uint4);
  for (; at + (kUnrolled - 1) * kStep + sizeof(uint4) <= end; at += kUnrolled * kStep) {
    uint4 bytes[kUnrolled];
#pragma unroll
    for (uint32_t i = 0; i < kUnrolled; ++i) {
      bytes[i] = LoadGlobal128(chunk.stored_dev + at + i * kStep);
    }
#pragma unroll
    for (uint32_t i = 0; i < kUnrolled; ++i) {
      StoreGlobal128(chunk.out_dev + at + i * kStep, bytes[i]);
    }
  }
  for (; at + sizeof(uint4) <= end; at += kStep) {
    StoreGlobal128(chunk.out_dev + at, LoadGlobal128(chunk.stored_dev + at));
  }
  for (; at < end; ++at) StoreGlobal8(chunk.out_dev + at, chunk.stored_dev[at]);
}

// The first table's address: the block's rings lie before the tables, which lie on multiples of
// their size, so that an entry's address is the table's with the offset put in.
__host__ __device__ constexpr uint32_t TablesBegin(uint32_t shared_memory, uint32_t warps) {
  return (shared_memory + warps * WordRing::kBytes + kTableBytes - 1) / kTableBytes * kTableBytes;
}

__device__ void LoadTables(const TileWorkBlock& block, uint32_t tables) {
  const auto* luts_dev = reinterpret_cast<const uint8_t*>(block.luts_dev);
  for (uint32_t at = threadIdx.x * sizeof(uint4); at < block.table_count * kTableBytes;
       at += blockDim.x * sizeof(uint4)) {
    StoreShared128(tables + at, LoadGlobal128(luts_dev + at));
  }
}

__global__ void __launch_bounds__(kMaxThreads, kMinBlocks) DecodeTiles(TileWork work) {
  const TileWorkBlock& block = work.blocks_dev[blockIdx.x];
  const uint32_t warps = blockDim.x / kLaneCount;
  const uint32_t warp = Uniform(threadIdx.x / kLaneCount);
  const uint32_t lane = threadIdx.x % kLaneCount;
  const uint32_t tables = Opaque(TablesBegin(SharedMemory(), warps));
  LoadTables(block, tables);
  __syncthreads();
  WordRing ring(SharedMemory() + warp * WordRing::kBytes, lane);
  for (uint32_t i = warp; i < block.item_count; i += warps) {
    const TileWorkItem item = work.items_dev[block.first_item + i];
    const TileWorkChunk& chunk = work.chunks_dev[item / kChunkTiles];
    const uint32_t number = item % kChunkTiles;
    TileError error = TileError::kNone;
    if (block.codec == static_cast<uint32_t>(Codec::kE4M3)) {
      error = DecodeTile<Codec::kE4M3>(chunk, number, lane, tables, block.table_count, &ring);
    } else if (block.codec == static_cast<uint32_t>(Codec::kE5M2)) {
      error = DecodeTile<Codec::kE5M2>(chunk, number, lane, tables, block.table_count, &ring);
    } else {
      CopyTile(chunk, number, lane);
    }
    if (lane == 0) {
      StoreGlobal8(work.errors_dev + block.first_item + i, static_cast<uint32_t>(error));
    }
  }
}

uint32_t SharedBytes(const TileDecodeShape& shape, uint32_t tables) {
  const auto offset = static_cast<uint32_t>(shape.shared_memory_offset);
  return TablesBegin(offset, static_cast<uint32_t>(shape.warps)) - offset + tables * kTableBytes;
}

}  // namespace

int PrepareTileDecode(TileDecodeShape* shape) {
  int device = 0;
  int shared_bytes = 0;
  cudaFuncAttributes attributes;
  cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  error = cudaDeviceGetAttribute(&shape->multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error != cudaSuccess) return error;
  error = cudaDeviceGetAttribute(&shape->shared_memory_offset,
                                 cudaDevAttrReservedSharedMemoryPerBlock, device);
  if (error != cudaSuccess) return error;
  error = cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error != cudaSuccess) return error;
  error = cudaFuncGetAttributes(&attributes, &DecodeTiles);
  if (error != cudaSuccess) return error;
  shape->warps = attributes.maxThreadsPerBlock / static_cast<int>(kLaneCount);
  while (shape->warps > 0 &&
         SharedBytes(*shape, kMaxTables) > static_cast<uint32_t>(shared_bytes)) {
    --shape->warps;
  }
  if (shape->warps == 0) return cudaErrorInvalidConfiguration;
  const auto bytes = static_cast<int>(SharedBytes(*shape, kMaxTables));
  error = cudaFuncSetAttribute(&DecodeTiles, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(&shape->blocks, &DecodeTiles,
                                                       shape->warps * static_cast<int>(kLaneCount),
                                                       static_cast<size_t>(bytes));
}

int LaunchTileDecode(const TileDecodeShape& shape, const TileWork& work, void* stream) {
  TileWork argument = work;
  void* arguments[] = {&argument};
  return cudaLaunchKernel(&DecodeTiles, dim3(work.block_count),
                          dim3(static_cast<uint32_t>(shape.warps) * kLaneCount), arguments,
                          SharedBytes(shape, work.max_tables), static_cast<cudaStream_t>(stream));
}

}  // namespace ecf8
