// The FP8 weights of a model in memory, and the passes over them that `ecf8 bench codec` times.
#ifndef ECF8_TOOLS_ECF8_CODEC_WORKLOAD_H_
#define ECF8_TOOLS_ECF8_CODEC_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8 {

// Not thread-safe; each pass spreads over the threads that it is told and joins them.
class CodecWorkload {
 public:
  // The FP8 tensors of the plain model at `path`, in walk order, until `max_bytes` of them are
  // read. FAILED_PRECONDITION where there are none.
  static absl::StatusOr<CodecWorkload> Load(const std::string& path, uint64_t max_bytes);

  uint64_t weight_count() const { return weight_count_; }

  // 4 + H(exponent) of each tensor (3 + H for E5M2), weighted by size: what a code of single
  // exponents with a table a tensor can reach at best, ECF8's own bound (arXiv 2510.02676, section
  // 2).
  double LimitBitsPerWeight() const;

  // Each pass covers all weights once. Encoding includes the search for the tables. Decode passes
  // need an encode pass of their kind before.
  void Encode(int threads);
  void Decode(int threads);
  void EncodeZstd(int level, int threads);
  void DecodeZstd(int threads);
  void Copy(int threads);

  // Sizes of the last encode passes: chunks and tables; zstd's frames, one a tensor.
  uint64_t stored_bytes() const;
  uint64_t zstd_bytes() const;

  // True where the last decode pass gave back every weight. Clears the decoded bytes, so that a
  // decoder that does nothing cannot pass the next time.
  bool CheckDecoded();

 private:
  struct Tensor {
    Codec codec = Codec::kE4M3;
    size_t begin = 0;  // in weights_
    size_t size = 0;
    std::vector<std::vector<uint8_t>> chunks;
    std::vector<uint8_t> zstd;
  };
  // The FP8 tensors of one unit share its tables.
  struct UnitWork {
    std::vector<Tensor> tensors;
    std::unique_ptr<TableSet> e4m3, e5m2;
  };

  absl::Span<const uint8_t> Weights(const Tensor& tensor) const;
  void EncodeUnit(UnitWork& unit);
  std::vector<Tensor*> AllTensors();

  uint64_t weight_count_ = 0;
  std::vector<uint8_t> weights_;
  std::vector<uint8_t> decoded_;
  std::vector<UnitWork> units_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_CODEC_WORKLOAD_H_
