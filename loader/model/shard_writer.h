// Writes one shard, front to back but for the header, for which room is reserved.
#ifndef ECF8_LOADER_MODEL_SHARD_WRITER_H_
#define ECF8_LOADER_MODEL_SHARD_WRITER_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/file.h"
#include "loader/model/manifest.h"
#include "loader/model/shard_layout.h"
#include "loader/model/shard_units.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// Thread-compatible. In order: Create, for each unit (BeginUnit, for each piece (BeginPiece,
// AddChunk..., EndPiece), EndUnit), Finish.
class ShardWriter {
 public:
  static absl::StatusOr<ShardWriter> Create(const std::string& directory,
                                            const std::string& file_name,
                                            uint64_t header_size_bytes);

  absl::Status BeginUnit(const std::string& id, const UnitTables& tables);

  // `piece` without its chunks and checksum.
  void BeginPiece(Piece piece) { units_.BeginPiece(std::move(piece)); }
  absl::Status AddChunk(absl::Span<const uint8_t> stored, uint64_t xxh3);
  // A chunk that the shard tells of and does not hold: a hole is in its place. For models that only
  // benchmarks read.
  void SkipChunk(uint32_t stored_size_bytes, uint64_t xxh3) {
    units_.AddChunk(stored_size_bytes, xxh3);
  }
  void EndPiece(uint64_t decoded_xxh3) { units_.EndPiece(decoded_xxh3); }

  void EndUnit() { units_.EndUnit(); }

  // Writes manifest and header, and syncs. `manifest` is complete but for its units and the
  // header's checksum, which are filled in.
  absl::StatusOr<ShardInfo> Finish(Manifest manifest, const SafetensorsMetadata& metadata);

 private:
  ShardWriter(File file, std::string file_name, uint64_t header_size_bytes);

  File file_;
  std::string file_name_;
  uint64_t header_size_bytes_;
  ShardUnits units_;  // what is between them, and was not written, reads as zero
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SHARD_WRITER_H_
