#include "loader/model/manifest_checks.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/unit_names.h"
#include "loader/checkpoint/weight_index.h"

namespace ecf8 {
namespace {

// No shard is larger: offsets below it can be added without overflow.
constexpr uint64_t kMaxShardBytes = uint64_t{1} << 62;
// Dimensions of a tensor; beyond anything that people use.
constexpr size_t kMaxRank = 256;
constexpr size_t kMaxPathBytes = 4096;

absl::Status Damaged(std::string_view what) { return absl::DataLossError(ToAbsl(what)); }

absl::Status CheckChunks(const Piece& piece) {
  if (piece.chunks.size() != ChunkCount(piece.decoded_size_bytes)) {
    return Damaged("the number of chunks is wrong");
  }
  bool any_coded = false;
  for (size_t i = 0; i < piece.chunks.size(); ++i) {
    const uint64_t stored = piece.chunks[i].stored_size_bytes;
    const uint64_t decoded = ChunkWeightsAt(piece.decoded_size_bytes, i);
    if (stored == decoded) continue;
    if (stored > decoded) return Damaged("a chunk is larger than its weights");
    if (piece.codec == Codec::kRaw) return Damaged("a raw chunk has another size than its bytes");
    if (stored == 0 || stored % kSectionAlignment != 0) {
      return Damaged("the size of a coded chunk is no multiple of 16");
    }
    any_coded = true;
  }
  if (piece.codec != Codec::kRaw && !any_coded) return Damaged("a coded tensor has no coded chunk");
  return absl::OkStatus();
}

std::string PieceName(const Unit& unit, const Piece& piece) {
  return absl::StrCat("unit ", Quoted(unit.id), ", tensor ", Quoted(piece.tensor));
}

bool IsPart(const Piece& piece) {
  return piece.decoded_size_bytes != TensorSizeBytes(piece.dtype, piece.shape);
}

// Follows the tensors of a shard through its units: each occurs once, or as parts that lie in
// order, without gaps, in neighbouring units that hold nothing else.
class TensorCheck {
 public:
  absl::Status AddUnit(const Unit& unit) {
    if (unit.pieces.empty()) return absl::OkStatus();
    const bool parts = IsPart(unit.pieces[0]);
    if (!parts && !open_.empty()) return Incomplete();
    for (const Piece& piece : unit.pieces) {
      if (IsPart(piece) != parts) {
        return Damaged(absl::StrCat(PieceName(unit, piece),
                                    ": whole tensors and parts of tensors are in one unit"));
      }
      ECF8_RETURN_IF_ERROR(
          AddContext(parts ? AddPart(piece) : AddWhole(piece), PieceName(unit, piece)));
    }
    return absl::OkStatus();
  }

  absl::Status Finish() const { return open_.empty() ? absl::OkStatus() : Incomplete(); }

 private:
  absl::Status AddWhole(const Piece& piece) {
    return seen_.insert(piece.tensor).second ? absl::OkStatus()
                                             : Damaged("the tensor occurs twice");
  }

  absl::Status AddPart(const Piece& piece) {
    if (piece.decoded_size_bytes == 0) return Damaged("a part of a tensor is empty");
    auto [entry, is_new] = open_.try_emplace(piece.tensor, &piece);
    if (is_new) {
      ECF8_RETURN_IF_ERROR(AddWhole(piece));
      if (piece.tensor_offset_bytes != 0) return Damaged("the tensor's beginning is missing");
    } else {
      const Piece& last = *entry->second;
      if (last.dtype != piece.dtype || last.shape != piece.shape) {
        return Damaged("the tensor's parts disagree on its shape");
      }
      if (last.tensor_offset_bytes + last.decoded_size_bytes != piece.tensor_offset_bytes) {
        return Damaged("the tensor's parts are not in order or do not meet");
      }
      entry->second = &piece;
    }
    const uint64_t end = piece.tensor_offset_bytes + piece.decoded_size_bytes;
    if (end == TensorSizeBytes(piece.dtype, piece.shape)) open_.erase(piece.tensor);
    return absl::OkStatus();
  }

  absl::Status Incomplete() const {
    return Damaged(absl::StrCat("tensor ", Quoted(open_.begin()->first), " is incomplete"));
  }

  std::unordered_set<std::string_view> seen_;
  std::unordered_map<std::string_view, const Piece*> open_;  // the last part of unfinished tensors
};

absl::Status CheckUnit(const Unit& unit) {
  uint64_t decoded = 0;
  for (const Piece& piece : unit.pieces) {
    decoded += piece.decoded_size_bytes;
    if (decoded > kMaxUnitDecodedBytes) return Damaged("it is larger than 256 MiB decoded");
    if (piece.codec == Codec::kRaw) continue;
    bool has_tables = false;
    for (const TableSetInfo& set : unit.table_sets) has_tables |= set.codec == piece.codec;
    if (!has_tables) {
      return Damaged(absl::StrCat("tensor ", Quoted(piece.tensor), " has no tables"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUnits(const Manifest& manifest) {
  std::unordered_set<std::string_view> ids;
  TensorCheck tensors;
  uint64_t end = 0;
  for (const Unit& unit : manifest.units) {
    const std::string name = absl::StrCat("unit ", Quoted(unit.id));
    if (!IsValidUnitId(unit.id)) return Damaged(absl::StrCat(name, ": the id is not valid"));
    if (!ids.insert(unit.id).second) return Damaged(absl::StrCat(name, " occurs twice"));
    ECF8_RETURN_IF_ERROR(AddContext(CheckUnit(unit), name));
    if (unit.offset_bytes % kUnitAlignmentBytes != 0 || unit.offset_bytes < end ||
        unit.offset_bytes > kMaxShardBytes) {
      return Damaged(absl::StrCat(name, ": the offset ", unit.offset_bytes, " is wrong"));
    }
    end = unit.offset_bytes + unit.stored_size_bytes;
    ECF8_RETURN_IF_ERROR(tensors.AddUnit(unit));
  }
  return tensors.Finish();
}

absl::Status CheckDirectory(const Directory& directory, uint32_t shard_count) {
  if (directory.shards.size() != shard_count) return Damaged("the list of shards is incomplete");
  std::unordered_set<std::string_view> paths;
  for (const ShardInfo& shard : directory.shards) {
    if (!IsShardName(shard.file_name) || !paths.insert(shard.file_name).second) {
      return Damaged(absl::StrCat("the shard's name ", Quoted(shard.file_name), " is not valid"));
    }
  }
  for (const OtherFile& file : directory.files) {
    if (!IsSafeRelativePath(file.path) || !paths.insert(file.path).second) {
      return Damaged(absl::StrCat("the file name ", Quoted(file.path), " is not valid"));
    }
  }
  std::unordered_set<std::string_view> originals;
  for (const Original& original : directory.originals) {
    if (!IsSafeRelativePath(original.path) || !originals.insert(original.path).second) {
      return Damaged(absl::StrCat("the file name ", Quoted(original.path), " is not valid"));
    }
    if (original.size_bytes > kMaxOriginalBytes || original.data_size_bytes > kMaxShardBytes) {
      return Damaged(absl::StrCat("the original of ", Quoted(original.path), " is too large"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPiece(const Piece& piece) {
  if (std::string_view(piece.tensor).substr(0, kReservedPrefix.size()) == kReservedPrefix) {
    return Damaged("the name is reserved");
  }
  if (piece.shape.size() > kMaxRank) return Damaged("the shape has too many dimensions");
  const std::optional<uint64_t> tensor_size = TensorSizeBytes(piece.dtype, piece.shape);
  if (!tensor_size) return Damaged("the shape is not valid");
  if (piece.decoded_size_bytes > *tensor_size ||
      piece.tensor_offset_bytes > *tensor_size - piece.decoded_size_bytes) {
    return Damaged("it lies outside its tensor");
  }
  if (piece.decoded_size_bytes > kMaxUnitDecodedBytes) return Damaged("it is larger than a unit");
  if ((piece.codec == Codec::kE4M3 && piece.dtype != DType::kF8E4M3) ||
      (piece.codec == Codec::kE5M2 && piece.dtype != DType::kF8E5M2)) {
    return Damaged("the codec does not fit the dtype");
  }
  return CheckChunks(piece);
}

absl::Status CheckTableSets(const Unit& unit) {
  Codec last = Codec::kRaw;
  for (const TableSetInfo& set : unit.table_sets) {
    if (set.codec == Codec::kRaw || set.codec <= last) return Damaged("the table sets are wrong");
    if (set.table_count < 1 || set.table_count > kMaxTables) {
      return Damaged("the number of tables is wrong");
    }
    last = set.codec;
  }
  return absl::OkStatus();
}

absl::Status CheckManifest(const Manifest& manifest) {
  if (manifest.shard_index >= manifest.shard_count) return Damaged("the shard's number is wrong");
  if ((manifest.shard_index == 0) != manifest.directory.has_value()) {
    return Damaged("shard 0, and no other, must have the directory record");
  }
  if (manifest.directory) {
    ECF8_RETURN_IF_ERROR(CheckDirectory(*manifest.directory, manifest.shard_count));
  }
  return CheckUnits(manifest);
}

bool IsSafeRelativePath(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return false;
  if (path.find('\0') != std::string_view::npos) return false;
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace ecf8
