#include "loader/model/shard_layout.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMaxTablesBytes = 8192;  // more than the two largest table sets of a unit

// Takes the bytes of a shard's data from front to back, in entries that leave nothing out.
class CoverBuilder {
 public:
  explicit CoverBuilder(uint64_t data_offset) : data_offset_(data_offset), end_(data_offset) {}

  void Add(std::string name, DType dtype, std::vector<uint64_t> shape, uint64_t begin,
           uint64_t end) {
    if (begin > end_) {
      AddBytes(absl::StrCat(std::string(kReservedPrefix), ".padding.", paddings_++), begin - end_);
    }
    tensors_.push_back(
        {std::move(name), dtype, std::move(shape), end_ - data_offset_, end - data_offset_});
    end_ = end;
  }

  void AddBytes(std::string name, uint64_t size) {
    Add(std::move(name), DType::kU8, {size}, end_, end_ + size);
  }

  void AddBytesAt(std::string name, uint64_t begin, uint64_t size) {
    Add(std::move(name), DType::kU8, {size}, begin, begin + size);
  }

  std::vector<SafetensorsTensor> Take() && { return std::move(tensors_); }

 private:
  const uint64_t data_offset_;
  uint64_t end_;
  size_t paddings_ = 0;
  std::vector<SafetensorsTensor> tensors_;
};

uint64_t StoredEnd(const Unit& unit) { return unit.offset_bytes + unit.stored_size_bytes; }

bool HoldsParts(const Unit& unit) {
  if (unit.pieces.empty()) return false;
  const Piece& piece = unit.pieces[0];
  return piece.decoded_size_bytes != TensorSizeBytes(piece.dtype, piece.shape);
}

std::string TablesName(const std::string& unit_id) {
  return absl::StrCat(std::string(kReservedPrefix), ".", unit_id);
}

void CoverUnit(const Unit& unit, CoverBuilder& cover) {
  if (unit.tables_size_bytes != 0) {
    cover.AddBytesAt(TablesName(unit.id), unit.offset_bytes, unit.tables_size_bytes);
  }
  for (const Piece& piece : unit.pieces) {
    const uint64_t begin = unit.offset_bytes + piece.stored_offset_bytes;
    if (piece.codec == Codec::kRaw) {
      cover.Add(piece.tensor, piece.dtype, piece.shape, begin, begin + piece.stored_size_bytes);
    } else {
      cover.AddBytesAt(piece.tensor, begin, piece.stored_size_bytes);
    }
  }
}

// The end of the run of units that begins at `first` and whose tensors are all complete in it.
size_t RunEnd(const std::vector<Unit>& units, size_t first) {
  std::unordered_set<std::string_view> incomplete;
  for (size_t i = first; i < units.size(); ++i) {
    for (const Piece& piece : units[i].pieces) {
      const uint64_t end = piece.tensor_offset_bytes + piece.decoded_size_bytes;
      if (end == TensorSizeBytes(piece.dtype, piece.shape)) {
        incomplete.erase(piece.tensor);
      } else {
        incomplete.insert(piece.tensor);
      }
    }
    if (incomplete.empty()) return i + 1;
  }
  return units.size();
}

// Whether the run is nothing but the bytes of one tensor, so that stock tools can read it.
bool IsOneRawTensor(absl::Span<const Unit> run) {
  uint64_t end = run[0].offset_bytes;
  for (const Unit& unit : run) {
    if (unit.offset_bytes != end || unit.tables_size_bytes != 0 || unit.pieces.size() != 1 ||
        unit.pieces[0].codec != Codec::kRaw || unit.pieces[0].tensor != run[0].pieces[0].tensor) {
      return false;
    }
    end = StoredEnd(unit);
  }
  return true;
}

void CoverRun(absl::Span<const Unit> run, CoverBuilder& cover) {
  const Piece& first = run[0].pieces[0];
  const uint64_t begin = run[0].offset_bytes;
  const uint64_t end = StoredEnd(run[run.size() - 1]);
  if (IsOneRawTensor(run)) {
    cover.Add(first.tensor, first.dtype, first.shape, begin, end);
    return;
  }
  cover.AddBytesAt(first.tensor, begin, end - begin);
  std::unordered_set<std::string_view> named = {first.tensor};
  for (const Unit& unit : run) {
    for (const Piece& piece : unit.pieces) {
      if (named.insert(piece.tensor).second) cover.AddBytes(piece.tensor, 0);
    }
  }
}

// The longest entries that the header may come to have.
class LongestCover {
 public:
  explicit LongestCover(uint64_t max_offset) : max_(max_offset) {}

  void Add(std::string name, DType dtype, std::vector<uint64_t> shape) {
    tensors_.push_back({std::move(name), dtype, std::move(shape), max_, max_});
  }
  void AddBytes(std::string name) { Add(std::move(name), DType::kU8, {max_}); }
  void AddPadding() {
    AddBytes(absl::StrCat(std::string(kReservedPrefix), ".padding.", paddings_++));
  }

  // Whichever of a tensor's two possible entries is the longer one.
  void AddTensor(const PlanTensor& tensor) {
    SafetensorsTensor plain = {std::string(tensor.name),
                               tensor.dtype,
                               {tensor.shape.begin(), tensor.shape.end()},
                               max_,
                               max_};
    SafetensorsTensor coded = {plain.name, DType::kU8, {max_}, max_, max_};
    const bool plain_is_longer = WriteSafetensorsJson({plain}, nullptr).size() >
                                 WriteSafetensorsJson({coded}, nullptr).size();
    tensors_.push_back(std::move(plain_is_longer ? plain : coded));
  }

  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }

 private:
  const uint64_t max_;
  size_t paddings_ = 0;
  std::vector<SafetensorsTensor> tensors_;
};

// No byte of the shard is at or beyond it.
uint64_t OffsetBound(const std::vector<PlannedUnit>& units) {
  uint64_t bound = kMaxManifestBytes + kUnitAlignmentBytes;
  for (const PlannedUnit& unit : units) {
    bound += unit.decoded_size_bytes + unit.pieces.size() * kStoredAlignmentBytes +
             kMaxTablesBytes + kUnitAlignmentBytes;
  }
  return bound;
}

absl::Status HeaderTooLarge(uint64_t size) {
  return absl::InvalidArgumentError(absl::StrCat("the names of a shard's tensors need a header of ",
                                                 size, " bytes, and safetensors allows ",
                                                 kMaxSafetensorsHeaderBytes));
}

}  // namespace

std::vector<Gap> FindGaps(const std::vector<Unit>& units, uint64_t data_offset,
                          uint64_t manifest_offset) {
  std::vector<Gap> gaps;
  uint64_t end = data_offset;
  const auto take = [&gaps, &end](uint64_t begin, uint64_t size) {
    if (begin > end) gaps.push_back({end, begin});
    end = begin + size;
  };
  for (const Unit& unit : units) {
    take(unit.offset_bytes, unit.tables_size_bytes);
    for (const Piece& piece : unit.pieces) {
      take(unit.offset_bytes + piece.stored_offset_bytes, piece.stored_size_bytes);
    }
  }
  take(manifest_offset, 0);
  return gaps;
}

std::vector<SafetensorsTensor> ShardCover(const std::vector<Unit>& units, uint64_t data_offset,
                                          uint64_t manifest_offset, uint64_t manifest_size_bytes) {
  CoverBuilder cover(data_offset);
  for (size_t i = 0; i < units.size();) {
    if (!HoldsParts(units[i])) {
      CoverUnit(units[i++], cover);
      continue;
    }
    const size_t end = RunEnd(units, i);
    CoverRun(absl::MakeConstSpan(units).subspan(i, end - i), cover);
    i = end;
  }
  cover.AddBytesAt(std::string(kManifestTensor), manifest_offset, manifest_size_bytes);
  return std::move(cover).Take();
}

absl::StatusOr<uint64_t> ReserveHeaderBytes(const std::vector<PlannedUnit>& units,
                                            absl::Span<const PlanTensor> tensors,
                                            const SafetensorsMetadata& metadata) {
  LongestCover cover(OffsetBound(units));
  std::unordered_set<uint32_t> named;
  for (const PlannedUnit& unit : units) {
    cover.AddPadding();
    if (!unit.shares_tensors) cover.AddBytes(TablesName(unit.id));
    for (const PlannedPiece& piece : unit.pieces) {
      if (named.insert(piece.tensor).second) cover.AddTensor(tensors[piece.tensor]);
      // What follows a piece that is no multiple of 16 may need padding.
      if (!unit.shares_tensors && piece.size_bytes % kStoredAlignmentBytes != 0) cover.AddPadding();
    }
  }
  cover.AddPadding();
  cover.AddBytes(std::string(kManifestTensor));
  const uint64_t size =
      RoundUp(8 + WriteSafetensorsJson(cover.tensors(), &metadata).size(), kUnitAlignmentBytes);
  if (size > kMaxSafetensorsHeaderBytes) return HeaderTooLarge(size);
  return size;
}

absl::StatusOr<std::string> BuildShardHeader(const std::vector<SafetensorsTensor>& cover,
                                             const SafetensorsMetadata& metadata,
                                             uint64_t header_size_bytes) {
  const std::string json = WriteSafetensorsJson(cover, &metadata);
  if (8 + json.size() > header_size_bytes) {
    return absl::InternalError(absl::StrCat("the header takes ", 8 + json.size(),
                                            " bytes, more than ", header_size_bytes, " reserved"));
  }
  std::string header(header_size_bytes, ' ');
  StoreLe64(reinterpret_cast<uint8_t*>(header.data()), header_size_bytes - 8);
  std::copy(json.begin(), json.end(), header.begin() + 8);
  return header;
}

}  // namespace ecf8
