#include "loader/model/manifest.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"
#include "ecf8/manifest/v1/manifest.pb.h"
#include "loader/base/strings.h"
#include "loader/model/manifest_checks.h"

namespace ecf8 {
namespace {

namespace pb = ecf8::manifest::v1;

// The frame around the protobuf.
struct ManifestHead {
  char magic[8];
  uint32_t format_version;
  uint32_t reserved;
  uint64_t payload_size_bytes;
};
static_assert(sizeof(ManifestHead) == 24);
static_assert(offsetof(ManifestHead, format_version) == 8);
static_assert(offsetof(ManifestHead, payload_size_bytes) == 16);
constexpr std::string_view kMagic = "ECF8MANI";
constexpr size_t kChecksumBytes = 8;
constexpr size_t kFrameBytes = sizeof(ManifestHead) + kChecksumBytes;

pb::Piece ToProto(const Piece& piece) {
  pb::Piece proto;
  proto.set_tensor(piece.tensor);
  proto.set_dtype(static_cast<pb::DType>(piece.dtype));
  for (const uint64_t dimension : piece.shape) proto.add_shape(dimension);
  proto.set_codec(static_cast<pb::Codec>(piece.codec));
  proto.set_tensor_offset_bytes(piece.tensor_offset_bytes);
  proto.set_decoded_size_bytes(piece.decoded_size_bytes);
  proto.set_decoded_xxh3(piece.decoded_xxh3);
  for (const Chunk& chunk : piece.chunks) {
    if (piece.codec != Codec::kRaw) proto.add_chunk_stored_size_bytes(chunk.stored_size_bytes);
    proto.add_chunk_xxh3(chunk.xxh3);
  }
  return proto;
}

pb::Unit ToProto(const Unit& unit) {
  pb::Unit proto;
  proto.set_id(unit.id);
  proto.set_offset_bytes(unit.offset_bytes);
  for (const TableSetInfo& set : unit.table_sets) {
    pb::TableSet* out = proto.add_table_sets();
    out->set_codec(static_cast<pb::Codec>(set.codec));
    out->set_table_count(set.table_count);
  }
  proto.set_tables_xxh3(unit.tables_xxh3);
  for (const Piece& piece : unit.pieces) *proto.add_pieces() = ToProto(piece);
  return proto;
}

void ToProto(const Directory& directory, pb::Directory* proto) {
  for (const ShardInfo& shard : directory.shards) {
    pb::Shard* out = proto->add_shards();
    out->set_file_name(shard.file_name);
    out->set_size_bytes(shard.size_bytes);
    out->set_manifest_xxh3(shard.manifest_xxh3);
  }
  for (const OtherFile& file : directory.files) {
    pb::OtherFile* out = proto->add_files();
    out->set_path(file.path);
    out->set_size_bytes(file.size_bytes);
    out->set_xxh3(file.xxh3);
    out->set_generated(file.generated);
  }
  for (const Original& original : directory.originals) {
    pb::Original* out = proto->add_originals();
    out->set_kind(static_cast<pb::Original::Kind>(original.kind));
    out->set_path(original.path);
    out->set_size_bytes(original.size_bytes);
    out->set_zlib(original.zlib);
    out->set_xxh3(original.xxh3);
    out->set_data_size_bytes(original.data_size_bytes);
  }
}

absl::StatusOr<Codec> CodecFromProto(int number) {
  if (number < 0 || number > static_cast<int>(Codec::kE5M2)) {
    return absl::UnimplementedError(
        absl::StrCat("codec ", number, " is not known to this version of ecf8"));
  }
  return static_cast<Codec>(number);
}

absl::StatusOr<Piece> FromProto(pb::Piece& proto) {
  Piece piece;
  piece.tensor = std::move(*proto.mutable_tensor());
  const std::optional<DType> dtype = DTypeFromNumber(proto.dtype());
  if (!dtype) {
    return absl::UnimplementedError(
        absl::StrCat("dtype ", proto.dtype(), " is not known to this version of ecf8"));
  }
  piece.dtype = *dtype;
  piece.shape.assign(proto.shape().begin(), proto.shape().end());
  ECF8_ASSIGN_OR_RETURN(piece.codec, CodecFromProto(proto.codec()));
  piece.tensor_offset_bytes = proto.tensor_offset_bytes();
  piece.decoded_size_bytes = proto.decoded_size_bytes();
  piece.decoded_xxh3 = proto.decoded_xxh3();
  const auto& sizes = proto.chunk_stored_size_bytes();
  const bool is_raw = piece.codec == Codec::kRaw;
  if (sizes.size() != (is_raw ? 0 : proto.chunk_xxh3_size())) {
    return absl::DataLossError("the number of chunk sizes is wrong");
  }
  piece.chunks.reserve(static_cast<size_t>(proto.chunk_xxh3_size()));
  for (int i = 0; i < proto.chunk_xxh3_size(); ++i) {
    // A raw piece with too many chunks is refused by CheckPiece; until then the sizes may be
    // anything.
    const uint64_t begin = static_cast<uint64_t>(i) * kChunkWeights;
    const uint32_t raw_size = begin < piece.decoded_size_bytes
                                  ? static_cast<uint32_t>(ChunkWeightsAt(piece.decoded_size_bytes,
                                                                         static_cast<size_t>(i)))
                                  : 0;
    piece.chunks.push_back({is_raw ? raw_size : sizes[i], proto.chunk_xxh3(i)});
  }
  ECF8_RETURN_IF_ERROR(CheckPiece(piece));
  return piece;
}

absl::StatusOr<Unit> FromProto(pb::Unit& proto) {
  Unit unit;
  unit.id = std::move(*proto.mutable_id());
  unit.offset_bytes = proto.offset_bytes();
  unit.tables_xxh3 = proto.tables_xxh3();
  for (const pb::TableSet& set : proto.table_sets()) {
    ECF8_ASSIGN_OR_RETURN(const Codec codec, CodecFromProto(set.codec()));
    unit.table_sets.push_back({codec, set.table_count()});
  }
  ECF8_RETURN_IF_ERROR(CheckTableSets(unit));
  unit.pieces.reserve(static_cast<size_t>(proto.pieces_size()));
  for (pb::Piece& entry : *proto.mutable_pieces()) {
    const std::string name = absl::StrCat("tensor ", Quoted(entry.tensor()));
    auto piece = FromProto(entry);
    if (!piece.ok()) return AddContext(piece.status(), name);
    unit.pieces.push_back(*std::move(piece));
  }
  return unit;
}

absl::StatusOr<Directory> FromProto(pb::Directory& proto) {
  Directory directory;
  for (pb::Shard& shard : *proto.mutable_shards()) {
    directory.shards.push_back(
        {std::move(*shard.mutable_file_name()), shard.size_bytes(), shard.manifest_xxh3()});
  }
  for (pb::OtherFile& file : *proto.mutable_files()) {
    directory.files.push_back(
        {std::move(*file.mutable_path()), file.size_bytes(), file.xxh3(), file.generated()});
  }
  for (pb::Original& original : *proto.mutable_originals()) {
    if (original.kind() != pb::Original::KIND_FILE &&
        original.kind() != pb::Original::KIND_SAFETENSORS_HEADER) {
      return absl::UnimplementedError(absl::StrCat("original ", Quoted(original.path()),
                                                   " is of the unknown kind ",
                                                   static_cast<int>(original.kind())));
    }
    directory.originals.push_back({static_cast<Original::Kind>(original.kind()),
                                   std::move(*original.mutable_path()), original.size_bytes(),
                                   std::move(*original.mutable_zlib()), original.xxh3(),
                                   original.data_size_bytes()});
  }
  return directory;
}

// The protobuf inside `bytes`, when the frame around it is whole.
absl::StatusOr<absl::Span<const uint8_t>> CheckFrame(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kFrameBytes) return absl::DataLossError("the manifest is too short");
  if (bytes.size() > kMaxManifestBytes + kFrameBytes) {
    return absl::DataLossError("the manifest is too large");
  }
  ManifestHead head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (std::string_view(head.magic, sizeof(head.magic)) != kMagic) {
    return absl::DataLossError("the manifest does not begin with ECF8MANI");
  }
  if (head.format_version != kFormatVersion) {
    return absl::UnimplementedError(absl::StrCat("the format's version is ", head.format_version,
                                                 "; this ecf8 reads version ", kFormatVersion));
  }
  const size_t checked = bytes.size() - kChecksumBytes;
  if (Xxh3(bytes.first(checked)) != LoadLe64(bytes.data() + checked)) {
    return absl::DataLossError("the manifest does not match its checksum");
  }
  if (head.reserved != 0 || head.payload_size_bytes != bytes.size() - kFrameBytes) {
    return absl::DataLossError("the manifest's size is wrong");
  }
  return bytes.subspan(sizeof(head), head.payload_size_bytes);
}

}  // namespace

void DeriveUnitLayout(Unit& unit) {
  unit.tables_size_bytes = 0;
  for (const TableSetInfo& set : unit.table_sets) {
    unit.tables_size_bytes += TableSet::SerializedSize(set.codec, set.table_count);
  }
  Xxh3Stream checksum;
  const auto add_to_checksum = [&checksum](uint64_t value) {
    uint8_t bytes[8];
    StoreLe64(bytes, value);
    checksum.Update(bytes);
  };
  if (unit.tables_size_bytes != 0) add_to_checksum(unit.tables_xxh3);
  uint64_t stored_end = unit.tables_size_bytes;
  uint64_t decoded_end = 0;
  for (Piece& piece : unit.pieces) {
    piece.stored_offset_bytes = RoundUp(stored_end, kStoredAlignmentBytes);
    piece.stored_size_bytes = 0;
    for (const Chunk& chunk : piece.chunks) {
      piece.stored_size_bytes += chunk.stored_size_bytes;
      add_to_checksum(chunk.xxh3);
    }
    stored_end = piece.stored_offset_bytes + piece.stored_size_bytes;
    piece.decoded_offset_bytes = RoundUp(decoded_end, kDecodedAlignmentBytes);
    decoded_end = piece.decoded_offset_bytes + piece.decoded_size_bytes;
  }
  unit.stored_size_bytes = stored_end;
  unit.decoded_size_bytes = decoded_end;
  unit.stored_xxh3 = checksum.Digest();
}

absl::StatusOr<std::string> SerializeManifest(const Manifest& manifest) {
  pb::Manifest proto;
  proto.set_format_version(kFormatVersion);
  proto.set_writer(manifest.writer);
  proto.set_shard_index(manifest.shard_index);
  proto.set_shard_count(manifest.shard_count);
  proto.set_header_xxh3(manifest.header_xxh3);
  for (const Unit& unit : manifest.units) *proto.add_units() = ToProto(unit);
  if (manifest.directory) ToProto(*manifest.directory, proto.mutable_directory());

  ManifestHead head = {};
  kMagic.copy(head.magic, sizeof(head.magic));
  head.format_version = kFormatVersion;
  head.payload_size_bytes = proto.ByteSizeLong();
  if (head.payload_size_bytes > kMaxManifestBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the manifest would take ", head.payload_size_bytes, " bytes"));
  }
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof(head));
  if (!proto.AppendToString(&bytes)) return absl::InternalError("cannot serialise the manifest");
  uint8_t checksum[kChecksumBytes];
  StoreLe64(checksum, Xxh3({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
  bytes.append(reinterpret_cast<const char*>(checksum), sizeof(checksum));
  return bytes;
}

uint64_t SerializedSizeBytes(const Unit& unit) {
  pb::Manifest holder;
  *holder.add_units() = ToProto(unit);
  return holder.ByteSizeLong();
}

uint64_t SerializedSizeBytes(const Piece& piece) {
  pb::Unit holder;
  *holder.add_pieces() = ToProto(piece);
  return holder.ByteSizeLong();
}

absl::StatusOr<Manifest> ParseManifest(absl::Span<const uint8_t> bytes) {
  ECF8_ASSIGN_OR_RETURN(const absl::Span<const uint8_t> payload, CheckFrame(bytes));
  pb::Manifest proto;
  if (!proto.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError("the manifest is no valid protobuf");
  }
  if (proto.format_version() != kFormatVersion) {
    return absl::UnimplementedError(
        absl::StrCat("the manifest's version is ", proto.format_version()));
  }
  Manifest manifest;
  manifest.writer = proto.writer();
  manifest.shard_index = proto.shard_index();
  manifest.shard_count = proto.shard_count();
  manifest.header_xxh3 = proto.header_xxh3();
  manifest.units.reserve(static_cast<size_t>(proto.units_size()));
  for (pb::Unit& entry : *proto.mutable_units()) {
    const std::string name = absl::StrCat("unit ", Quoted(entry.id()));
    auto unit = FromProto(entry);
    if (!unit.ok()) return AddContext(unit.status(), name);
    DeriveUnitLayout(*unit);
    manifest.units.push_back(*std::move(unit));
  }
  if (proto.has_directory()) {
    ECF8_ASSIGN_OR_RETURN(manifest.directory, FromProto(*proto.mutable_directory()));
  }
  ECF8_RETURN_IF_ERROR(CheckManifest(manifest));
  return manifest;
}

}  // namespace ecf8
