// A compressed model, open for reading.
//
// Open checks the structure: headers, manifests, that they belong together, that every unit lies
// inside its shard. The weights are checked as they are read. (That the safetensors header
// describes the units as the format wants it is for `verify`: nothing here is read by it.)
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
#include "loader/model/manifest.h"
#include "loader/model/model_directory.h"
#include "loader/model/shard.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// One unit, by shard and place in that shard's manifest.
struct UnitRef {
  uint32_t shard = 0;
  uint32_t unit = 0;
};

struct PieceRef {
  uint32_t unit_index = 0;  // dense, in walk order
  uint32_t piece = 0;
};

// Immutable after Open, so safe to share between threads.
class CompressedModel {
 public:
  // NOT_FOUND (no such directory, or no ecf8 model in it), UNIMPLEMENTED (another version or
  // codec), DATA_LOSS (damaged); every error names the file, and the unit and tensor where there
  // are any. Errors of damage, here and below, carry an ErrorInfo.
  static absl::StatusOr<std::shared_ptr<const CompressedModel>> Open(const std::string& directory);
  static absl::StatusOr<std::shared_ptr<const CompressedModel>> Open(
      const ModelDirectory& directory);

  // One shard alone, by its file, for what is in it: the name is the file's, the digest of this
  // shard only, the directory record there where it is shard 0. The same errors.
  static absl::StatusOr<std::shared_ptr<const CompressedModel>> OpenFile(const std::string& path);

  const std::string& directory() const {
    return directory_;
  }                                                  // absolute, for logs, never for clients
  const std::string& name() const { return name_; }  // the last component of it
  const std::vector<Shard>& shards() const { return shards_; }
  const Directory& directory_record() const { return *shards_[0].manifest.directory; }

  // The content's identity: XXH3-64 over the manifests' checksums in shard order, as 16 hex digits.
  const std::string& digest() const { return digest_; }
  uint64_t digest_value() const { return digest_value_; }

  uint32_t unit_count() const { return static_cast<uint32_t>(units_.size()); }
  const Unit& unit(uint32_t index) const {
    return shards_[units_[index].shard].manifest.units[units_[index].unit];
  }
  uint32_t shard_number_of(uint32_t unit_index) const { return units_[unit_index].shard; }
  const Shard& shard_of(uint32_t unit_index) const { return shards_[units_[unit_index].shard]; }

  std::optional<uint32_t> FindUnit(std::string_view id) const;
  // The pieces of a tensor in order of their offset in it; empty where there is no such tensor.
  absl::Span<const PieceRef> FindTensor(std::string_view name) const;

  // Reads and checks the unit's tables and parses them.
  absl::StatusOr<UnitTables> ReadTables(uint32_t unit_index) const;

  // Reads and checks one chunk's stored bytes. DATA_LOSS names tensor, shard and offset.
  absl::Status ReadStoredChunk(PieceRef piece, uint32_t chunk, std::vector<uint8_t>* stored) const;

  // Reads, checks and decodes one chunk into `decoded`, which has just its decoded size.
  // `scratch` is the caller's to reuse.
  absl::Status ReadDecodedChunk(PieceRef piece, uint32_t chunk, const UnitTables& tables,
                                std::vector<uint8_t>* scratch, absl::Span<uint8_t> decoded) const;

 private:
  CompressedModel() = default;

  absl::Status OpenShards(const ModelDirectory& directory);
  absl::Status Index();
  absl::Status IndexUnits();
  // Of a shard that cannot be opened, by its name; empty: of the directory.
  absl::Status WithInfo(const absl::Status& status, const std::string& shard) const;
  absl::Status WithInfo(absl::Status status, uint32_t unit_index) const;
  absl::Status WithInfo(absl::Status status, PieceRef ref, uint32_t chunk) const;

  std::string directory_;
  std::string name_;
  std::string digest_;
  uint64_t digest_value_ = 0;
  std::vector<Shard> shards_;
  std::vector<UnitRef> units_;
  std::unordered_map<std::string_view, uint32_t> unit_by_id_;
  std::unordered_map<std::string_view, std::vector<PieceRef>> pieces_by_tensor_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_COMPRESSED_MODEL_H_
