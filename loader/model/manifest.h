// What a shard says about itself, in memory. docs/FORMAT.md, "Manifest".
//
// The protobuf behind it is known to manifest.cc alone. A Manifest that ParseManifest returned has been
// checked: every size, count and offset in it is consistent and bounded, so that later code may
// multiply, allocate and index by them.
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

namespace ecf8 {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kUnitAlignmentBytes = 4096;             // of a unit in its shard
inline constexpr uint64_t kDecodedAlignmentBytes = 256;           // of a tensor in its decoded unit
inline constexpr uint64_t kMaxUnitDecodedBytes = 256ull << 20;    // tensors' bytes, gaps not counted
inline constexpr uint64_t kMaxManifestBytes = 256ull << 20;
inline constexpr std::string_view kReservedPrefix = "__ecf8__";
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
  uint64_t stored_offset_bytes = 0;   // in the stored unit
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
  uint64_t stored_size_bytes = 0;   // tables and pieces, without padding
  uint64_t decoded_size_bytes = 0;  // of the decoded layout, gaps included
  uint64_t stored_xxh3 = 0;         // of tables_xxh3 (where there are tables) and every chunk's xxh3, LE
};

struct ShardInfo {
  std::string file_name;
  uint64_t size_bytes = 0;     // 0 for shard 0
  uint64_t manifest_xxh3 = 0;  // 0 for shard 0
};

struct OtherFile {
  std::string path;
  uint64_t size_bytes = 0;
  uint64_t xxh3 = 0;
};

// A file of the source that `decompress` restores from kept bytes.
struct Original {
  enum class Kind : uint8_t { kFile = 1, kSafetensorsHeader = 2 };
  Kind kind = Kind::kFile;
  std::string path;
  uint64_t size_bytes = 0;  // uncompressed; at most 100 MB + 8
  std::string zlib;
  uint64_t xxh3 = 0;  // of the uncompressed bytes
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

// Fills the derived members of a unit from the others. For writers; ParseManifest has done it.
void DeriveUnitLayout(Unit& unit);

// The bytes of the manifest tensor: magic, version, protobuf, checksum. Their size does not depend on
// the value of any checksum.
std::string SerializeManifest(const Manifest& manifest);

// The size that the serialised entries of a unit take in it: for the accounting of `inspect`.
uint64_t SerializedUnitSizeBytes(const Unit& unit);

// UNIMPLEMENTED for another format version or codec; DATA_LOSS for bad bytes, naming unit and tensor.
absl::StatusOr<Manifest> ParseManifest(absl::Span<const uint8_t> bytes);

// The kept bytes of `original`, checked.
absl::StatusOr<std::string> InflateOriginal(const Original& original);
absl::StatusOr<Original> DeflateOriginal(Original::Kind kind, std::string path,
                                         std::string_view bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_MANIFEST_H_
