// A compressed model, open for reading.
//
// Open checks the structure: headers, manifests, that they belong together, that every unit lies inside
// its shard and agrees with the safetensors header. The weights are checked as they are read.
#ifndef ECF8_LOADER_MODEL_COMPRESSED_MODEL_H_
#define ECF8_LOADER_MODEL_COMPRESSED_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "loader/base/file.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/model/manifest.h"

namespace ecf8 {

struct Shard {
  std::string file_name;
  File file;
  SafetensorsHeader header;
  Manifest manifest;
  uint64_t manifest_offset_bytes = 0;  // of the manifest tensor in the file
  uint64_t manifest_size_bytes = 0;
};

// One unit, by shard and place in that shard's manifest.
struct UnitRef {
  uint32_t shard = 0;
  uint32_t unit = 0;
};

struct PieceRef {
  uint32_t unit_index = 0;  // dense, in walk order
  uint32_t piece = 0;
};

// The tables of a unit, ready to decode with; nullptr for a codec that the unit does not use.
struct UnitTables {
  std::unique_ptr<TableSet> e4m3;
  std::unique_ptr<TableSet> e5m2;

  const TableSet* For(Codec codec) const;
};

// Immutable after Open, so safe to share between threads.
class CompressedModel {
 public:
  // `directory` is the model's. NOT_FOUND, INVALID_ARGUMENT (not an ecf8 model), UNIMPLEMENTED (another
  // version), DATA_LOSS (damaged); every error names the file, and the unit and tensor where there are any.
  static absl::StatusOr<std::shared_ptr<const CompressedModel>> Open(const std::string& directory);

  const std::string& directory() const { return directory_; }  // absolute, for logs, never for clients
  const std::string& name() const { return name_; }            // the last component of it
  const std::vector<Shard>& shards() const { return shards_; }
  const Directory& directory_record() const { return *shards_[0].manifest.directory; }

  // The content's identity: XXH3-64 over the manifests' checksums in shard order, as 16 hex digits.
  const std::string& digest() const { return digest_; }

  uint32_t unit_count() const { return static_cast<uint32_t>(units_.size()); }
  const Unit& unit(uint32_t index) const {
    return shards_[units_[index].shard].manifest.units[units_[index].unit];
  }
  const Shard& shard_of(uint32_t unit_index) const { return shards_[units_[unit_index].shard]; }

  std::optional<uint32_t> FindUnit(std::string_view id) const;
  // The pieces of a tensor in order of their offset in it; empty where there is no such tensor.
  absl::Span<const PieceRef> FindTensor(std::string_view name) const;

  // Reads and checks the unit's tables and parses them.
  absl::StatusOr<UnitTables> ReadTables(uint32_t unit_index) const;
  // The same as stored bytes (empty where the unit has no tables), checked.
  absl::Status ReadStoredTables(uint32_t unit_index, std::vector<uint8_t>* stored) const;

  // Reads and checks one chunk's stored bytes. DATA_LOSS names tensor, shard and offset.
  absl::Status ReadStoredChunk(PieceRef piece, uint32_t chunk, std::vector<uint8_t>* stored) const;

  // Reads, checks and decodes one chunk into `decoded`, which has just its decoded size.
  // `scratch` is the caller's to reuse.
  absl::Status ReadDecodedChunk(PieceRef piece, uint32_t chunk, const UnitTables& tables,
                                std::vector<uint8_t>* scratch, absl::Span<uint8_t> decoded) const;

 private:
  CompressedModel() = default;

  std::string directory_;
  std::string name_;
  std::string digest_;
  std::vector<Shard> shards_;
  std::vector<UnitRef> units_;
  std::unordered_map<std::string_view, uint32_t> unit_by_id_;
  std::unordered_map<std::string_view, std::vector<PieceRef>> pieces_by_tensor_;
};

// The decoded size of chunk `chunk` of `piece`: 1 MiB, or what is left in the last.
uint64_t DecodedChunkSizeBytes(const Piece& piece, uint32_t chunk);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_COMPRESSED_MODEL_H_
