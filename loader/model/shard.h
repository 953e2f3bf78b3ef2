// One shard of a compressed model, open for reading: the structure is checked when it is opened,
// the weights as they are read. Errors name the file and, where there are any, unit and tensor.
#ifndef ECF8_LOADER_MODEL_SHARD_H_
#define ECF8_LOADER_MODEL_SHARD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/file.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/model/manifest.h"
#include "loader/model/model_directory.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

struct Shard {
  std::string file_name;
  File file;
  SafetensorsHeader header;
  Manifest manifest;
  uint64_t size_bytes = 0;             // of the file
  uint64_t manifest_offset_bytes = 0;  // of the manifest tensor in the file
  uint64_t manifest_size_bytes = 0;
  uint64_t manifest_xxh3 = 0;  // its last 8 bytes
};

// The manifest's entry in the header of a shard, or null.
const SafetensorsTensor* FindManifest(const SafetensorsHeader& header);

// NOT_FOUND (no such file, or a safetensors file without a manifest), UNIMPLEMENTED (another
// version), DATA_LOSS (damaged).
absl::StatusOr<Shard> OpenShard(const ModelDirectory& directory, const std::string& file_name);

// The shard with the directory record. NOT_FOUND where no .safetensors file of `directory` is one
// of ours; the first error met where one is damaged and none has the record.
absl::StatusOr<Shard> OpenFirstShard(const ModelDirectory& directory);

// Whether `shard` is number `index` of the model that `record` describes. DATA_LOSS.
absl::Status CheckBelongs(const Shard& shard, uint32_t index, const Directory& record);

// The unit's tables, checked and parsed.
absl::StatusOr<UnitTables> ReadTables(const Shard& shard, const Unit& unit);

// One chunk's stored bytes, checked.
absl::Status ReadStoredChunk(const Shard& shard, const Unit& unit, const Piece& piece,
                             uint32_t chunk, std::vector<uint8_t>* stored);

// Decodes what ReadStoredChunk gave into `decoded`, which has just the chunk's decoded size.
absl::Status DecodeStoredChunk(const Shard& shard, const Unit& unit, const Piece& piece,
                               uint32_t chunk, const UnitTables& tables,
                               absl::Span<const uint8_t> stored, absl::Span<uint8_t> decoded);

// In the shard's file.
uint64_t ChunkOffsetBytes(const Unit& unit, const Piece& piece, uint32_t chunk);

// The decoded size of chunk `chunk` of `piece`: 1 MiB, or what is left in the last.
uint64_t DecodedChunkSizeBytes(const Piece& piece, uint32_t chunk);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SHARD_H_
