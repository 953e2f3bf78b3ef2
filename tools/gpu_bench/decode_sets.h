// What the decode bench launches: `copies` times the same `chunks` chunks of weights, each copy in
// memory of its own, one launch a copy.
#ifndef ECF8_TOOLS_GPU_BENCH_DECODE_SETS_H_
#define ECF8_TOOLS_GPU_BENCH_DECODE_SETS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "decoder/tile_batch.h"
#include "loader/cuda/cuda_objects.h"
#include "tools/gpu_bench/bench_gpu.h"
#include "tools/gpu_bench/bench_weights.h"
#include "tools/gpu_bench/two_pass_code.h"
#include "tools/gpu_bench/two_pass_cuda.h"

namespace ecf8 {

struct DecodeSetSize {
  uint64_t chunks = 1;
  uint64_t copies = 1;
};

// Chunk i of a copy is chunk i of the weights, modulo theirs. Thread-compatible; gpu and weights
// outlive it.
class TileDecodeSet {
 public:
  static absl::StatusOr<std::unique_ptr<TileDecodeSet>> Create(BenchGpu& gpu,
                                                               const BenchWeights& weights,
                                                               const DecodeSetSize& size);

  // Queues the decoding of a copy.
  CudaError Launch(uint64_t copy);
  // Queues a copy on the device that moves as many bytes as Launch and overwrites the stored form.
  CudaError CopySameBytes(uint64_t copy);
  // What Launch has decoded: DATA_LOSS where it is not right.
  absl::Status Verify();

  uint64_t stored_bytes() const { return stored_bytes_; }  // of a copy
  uint64_t decoded_bytes() const { return size_.chunks * kChunkWeights; }

 private:
  struct Batch {
    TileBatch tiles;
    TileWork work{};
    uint8_t* errors_dev = nullptr;
  };

  TileDecodeSet(BenchGpu& gpu, const BenchWeights& weights, const DecodeSetSize& size);
  uint64_t copy_bytes() const { return stored_bytes_ + decoded_bytes(); }
  uint8_t* stored_dev(uint64_t copy) const { return memory_dev_.get() + copy * copy_bytes(); }
  uint8_t* out_dev(uint64_t copy) const { return stored_dev(copy) + stored_bytes_; }
  absl::Status Fill();
  absl::Status LayOut();

  BenchGpu& gpu_;
  const BenchWeights& weights_;
  const DecodeSetSize size_;
  uint64_t stored_bytes_ = 0;
  DeviceBuffer memory_dev_;  // of each copy: what is stored, then what is decoded
  DeviceBuffer luts_dev_;
  DeviceBuffer images_dev_;
  DeviceBuffer errors_dev_;
  std::vector<Batch> batches_;
};

// The peer's: the weights, or as many of them as a copy has, encoded as a whole, as often as it
// takes to have at least so many. As above.
class TwoPassSet {
 public:
  static absl::StatusOr<std::unique_ptr<TwoPassSet>> Create(BenchGpu& gpu,
                                                            const BenchWeights& weights,
                                                            const DecodeSetSize& size);

  const TwoPassWork& work(uint64_t copy) const { return works_[copy]; }
  absl::Status Verify();

  uint64_t stored_bytes() const { return repeats_ * code_.stored_bytes(); }  // of a copy
  uint64_t decoded_bytes() const { return repeats_ * code_.weights; }

 private:
  TwoPassSet(BenchGpu& gpu, const BenchWeights& weights, const DecodeSetSize& size);
  absl::Status Fill();
  // Fills memory with what is uploaded once.
  absl::StatusOr<DeviceBuffer> Repeat(absl::Span<const uint8_t> bytes);

  BenchGpu& gpu_;
  const BenchWeights& weights_;
  const uint64_t copies_;
  const TwoPassCode code_;
  const uint64_t repeats_;  // of it, in a copy
  DeviceBuffer words_dev_;
  DeviceBuffer gaps_dev_;
  DeviceBuffer raw_dev_;
  DeviceBuffer first_dev_;  // the same for all copies
  DeviceBuffer luts_dev_;
  DeviceBuffer out_dev_;
  std::vector<TwoPassWork> works_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_DECODE_SETS_H_
