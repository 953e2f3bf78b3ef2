// What a shard says about itself, in memory. docs/FORMAT.md, "Manifest".
//
// The protobuf behind it is known to manifest.cc alone. A Manifest that ParseManifest returned has
// been checked: every size, count and offset in it is consistent and bounded, so that later code
// may multiply, allocate and index by them.
#ifndef ECF8_LOADER_MODEL_MANIFEST_H_
#define ECF8_LOADER_MODEL_MANIFEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/format.h"
#include "loader/checkpoint/dtype.h"
#include "loader/checkpoint/unit_names.h"  // kReservedPrefix
#include "loader/checkpoint/unit_plan.h"   // kMaxUnitDecodedBytes

namespace ecf8 {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kUnitAlignmentBytes = 4096;    // of a unit in its shard
inline constexpr uint64_t kDecodedAlignmentBytes = 256;  // of a tensor in its decoded unit
inline constexpr uint64_t kStoredAlignmentBytes = 16;    // of a piece in its stored unit
inline constexpr uint64_t kMaxManifestBytes = 256ull << 20;
inline constexpr uint64_t kMaxOriginalBytes = 100'000'008;  // of a kept file, uncompressed
inline constexpr std::string_view kManifestTensor = "__ecf8__.manifest";

struct Chunk {
  uint32_t stored_size_bytes = 0;
  uint64_t xxh3 = 0;  // of the stored bytes
};

// A tensor of a unit, or the part of one that the unit holds.
struct Piece {
  std::string tensor;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;  // of the whole tensor
  Codec codec = Codec::kRaw;
  uint64_t tensor_offset_bytes = 0;  // of this piece in the whole tensor
  uint64_t decoded_size_bytes = 0;
  uint64_t decoded_xxh3 = 0;
  std::vector<Chunk> chunks;  // ceil(decoded_size_bytes / 1 MiB)

  // Derived.
  uint64_t stored_offset_bytes = 0;   // in the stored unit; a multiple of 16
  uint64_t stored_size_bytes = 0;     // the sum of the chunks
  uint64_t decoded_offset_bytes = 0;  // in the decoded unit; a multiple of 256
};

struct TableSetInfo {
  Codec codec = Codec::kRaw;
  uint32_t table_count = 0;
};

struct Unit {
  std::string id;
  uint64_t offset_bytes = 0;  // in the shard; a multiple of 4096
  std::vector<TableSetInfo> table_sets;
  uint64_t tables_xxh3 = 0;
  std::vector<Piece> pieces;

  // Derived.
  uint64_t tables_size_bytes = 0;   // the stored unit begins with them
  uint64_t stored_size_bytes = 0;   // tables, pieces and the zero bytes between them
  uint64_t decoded_size_bytes = 0;  // of the decoded layout, gaps included
  uint64_t stored_xxh3 = 0;  // of tables_xxh3 (where there are tables) and every chunk's xxh3, LE
};

struct ShardInfo {
  std::string file_name;
  uint64_t size_bytes = 0;     // 0 for shard 0
  uint64_t manifest_xxh3 = 0;  // its manifest's last 8 bytes; 0 for shard 0
};

struct OtherFile {
  std::string path;
  uint64_t size_bytes = 0;
  uint64_t xxh3 = 0;
  bool generated = false;  // not a file of the source: `decompress` leaves it out
};

// A file of the source that `decompress` restores from kept bytes.
struct Original {
  enum class Kind : uint8_t { kFile = 1, kSafetensorsHeader = 2 };
  Kind kind = Kind::kFile;
  std::string path;
  uint64_t size_bytes = 0;  // uncompressed; at most kMaxOriginalBytes
  std::string zlib;
  uint64_t xxh3 = 0;             // of the uncompressed bytes
  uint64_t data_size_bytes = 0;  // kSafetensorsHeader: of the tensors that follow it
};

struct Directory {
  std::vector<ShardInfo> shards;
  std::vector<OtherFile> files;
  std::vector<Original> originals;
};

struct Manifest {
  std::string writer;
  uint32_t shard_index = 0;
  uint32_t shard_count = 1;
  uint64_t header_xxh3 = 0;  // of the shard's first 8 + N bytes
  std::vector<Unit> units;
  std::optional<Directory> directory;  // shard 0
};

constexpr uint64_t RoundUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

constexpr bool IsFp8(DType dtype) { return dtype == DType::kF8E4M3 || dtype == DType::kF8E5M2; }

// Fills the derived members of a unit from the others. For writers; ParseManifest has done it.
void DeriveUnitLayout(Unit& unit);

// The bytes of the manifest tensor: magic, version, protobuf, checksum. Their size does not depend
// on the value of `header_xxh3`. RESOURCE_EXHAUSTED beyond kMaxManifestBytes.
absl::StatusOr<std::string> SerializeManifest(const Manifest& manifest);

// The bytes that the entry of a unit (its pieces included), and that of a piece, take in a
// manifest: for the accounting of `inspect`.
uint64_t SerializedSizeBytes(const Unit& unit);
uint64_t SerializedSizeBytes(const Piece& piece);

// UNIMPLEMENTED for another format version or codec; DATA_LOSS for bad bytes, naming unit and
// tensor.
absl::StatusOr<Manifest> ParseManifest(absl::Span<const uint8_t> bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_MANIFEST_H_
