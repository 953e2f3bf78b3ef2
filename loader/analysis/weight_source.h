// The weights of a model to analyse, plain or compressed, unit by unit as ECF8 stores them.
#ifndef ECF8_LOADER_ANALYSIS_WEIGHT_SOURCE_H_
#define ECF8_LOADER_ANALYSIS_WEIGHT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/checkpoint/dtype.h"

namespace ecf8 {

struct SourceTensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
  uint64_t size_bytes = 0;
};

// A tensor, or the part of one that lies in one unit.
struct SourcePiece {
  uint32_t tensor = 0;  // index in WeightSource::tensors
  uint64_t size_bytes = 0;
  uint64_t stored_bytes = 0;  // in the compressed model; 0 in a plain one
};

struct SourceUnit {
  std::string id;
  std::vector<SourcePiece> pieces;
  uint64_t tables_bytes = 0;  // in the compressed model; 0 in a plain one
};

// Reads the pieces of one unit. Not thread-safe.
class PieceReader {
 public:
  PieceReader() = default;
  PieceReader(const PieceReader&) = delete;
  PieceReader& operator=(const PieceReader&) = delete;
  virtual ~PieceReader() = default;

  // Reads chunk `chunk` (of 1 MiB, the last what is left) of piece `piece` into `bytes`, which has
  // its size.
  virtual absl::Status ReadChunk(size_t piece, size_t chunk, absl::Span<uint8_t> bytes) = 0;
};

// Immutable and thread-safe.
class WeightSource {
 public:
  // A compressed directory, a plain one, or one plain .safetensors file. Errors are those of
  // CompressedModel::Open and OpenSourceModel.
  static absl::StatusOr<std::unique_ptr<WeightSource>> Open(const std::string& path);

  WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;
  virtual ~WeightSource() = default;

  const std::vector<SourceTensor>& tensors() const { return tensors_; }
  // Every byte of every tensor is in just one piece; pieces of one tensor are in order.
  const std::vector<SourceUnit>& units() const { return units_; }
  bool is_compressed() const { return is_compressed_; }
  // Of all files of the directory, and of those that are not shards.
  uint64_t directory_bytes() const { return directory_bytes_; }
  uint64_t other_files_bytes() const { return other_files_bytes_; }

  virtual absl::StatusOr<std::unique_ptr<PieceReader>> OpenUnit(size_t unit) const = 0;

 protected:
  std::vector<SourceTensor> tensors_;
  std::vector<SourceUnit> units_;
  bool is_compressed_ = false;
  uint64_t directory_bytes_ = 0;
  uint64_t other_files_bytes_ = 0;
};

// The two kinds; Open chooses.
absl::StatusOr<std::unique_ptr<WeightSource>> OpenPlainSource(const std::string& path);
absl::StatusOr<std::unique_ptr<WeightSource>> OpenCompressedSource(const std::string& directory);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_WEIGHT_SOURCE_H_
