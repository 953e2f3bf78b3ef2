#include "loader/model/verify_shard.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/ordered_pipeline.h"
#include "loader/base/strings.h"
#include "loader/model/chunk_walk.h"
#include "loader/model/shard_layout.h"

namespace ecf8 {
namespace {

constexpr size_t kChunksInFlightPerThread = 4;
constexpr size_t kBlockBytes = size_t{1} << 20;

bool SameEntry(const SafetensorsTensor& a, const SafetensorsTensor& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.begin == b.begin &&
         a.end == b.end;
}

class ShardVerifier {
 public:
  ShardVerifier(const Shard& shard, const VerifyContext& context)
      : shard_(shard),
        units_(shard.manifest.units),
        context_(context),
        slots_(static_cast<size_t>(context.threads) * kChunksInFlightPerThread),
        workers_(static_cast<size_t>(context.threads)) {
    for (uint32_t u = 0; u < units_.size(); ++u) AppendChunks(units_[u], u, &items_);
  }

  absl::Status Run() {
    CheckCover();
    for (const Unit& unit : units_) CheckUnit(unit);
    OrderedJob job;
    job.item_count = items_.size();
    job.threads = context_.threads;
    job.max_in_flight = slots_.size();
    job.cancel = context_.cancel;
    job.work = [this](size_t i, int worker) {
      Decode(items_[i], slots_[i % slots_.size()], workers_[static_cast<size_t>(worker)]);
      return absl::OkStatus();
    };
    job.consume = [this](size_t i) {
      Check(items_[i], slots_[i % slots_.size()]);
      return absl::OkStatus();
    };
    ECF8_RETURN_IF_ERROR(RunOrdered(job));
    for (const Gap& gap :
         FindGaps(units_, shard_.header.data_offset(), shard_.manifest_offset_bytes)) {
      ECF8_RETURN_IF_ERROR(CheckGap(gap));
    }
    return absl::OkStatus();
  }

 private:
  struct Slot {
    std::vector<uint8_t> decoded;
    absl::Status status;     // of reading and decoding
    bool has_bytes = false;  // `decoded` is what the chunk holds
    absl::Status against;    // of the comparison
  };

  struct Worker {
    std::optional<uint32_t> unit;      // that the tables belong to
    std::optional<UnitTables> tables;  // nullopt: damaged
    std::vector<uint8_t> bytes;
  };

  std::string Name(const Unit& unit, const Piece& piece) const {
    return absl::StrCat(Quoted(shard_.file_name), ", unit ", Quoted(unit.id), ", tensor ",
                        Quoted(piece.tensor));
  }

  void CheckCover() {
    const std::vector<SafetensorsTensor> cover =
        ShardCover(units_, shard_.header.data_offset(), shard_.manifest_offset_bytes,
                   shard_.manifest_size_bytes);
    const std::vector<SafetensorsTensor>& actual = shard_.header.tensors;
    if (!std::equal(cover.begin(), cover.end(), actual.begin(), actual.end(), SameEntry)) {
      context_.problems->Add(absl::StrCat(Quoted(shard_.file_name),
                                          ": the header and the manifest disagree on the tensors"));
    }
  }

  // What is not in a chunk.
  void CheckUnit(const Unit& unit) {
    context_.problems->AddStatus(ReadTables(shard_, unit).status());
    for (const Piece& piece : unit.pieces) {
      if (piece.chunks.empty() && piece.decoded_xxh3 != Xxh3({})) {
        context_.problems->Add(absl::StrCat(Name(unit, piece), ": the checksum is wrong"));
      }
      if (context_.against == nullptr || piece.tensor_offset_bytes != 0) continue;
      const auto source = context_.against->find(piece.tensor);
      if (source == context_.against->end()) {
        context_.problems->Add(absl::StrCat(Name(unit, piece), " is not in the original"));
      } else if (source->second.tensor->dtype != piece.dtype ||
                 source->second.tensor->shape != piece.shape) {
        context_.problems->Add(
            absl::StrCat(Name(unit, piece), " has another dtype or shape in the original"));
      }
    }
  }

  // On a worker.
  void Decode(const ChunkItem& item, Slot& slot, Worker& worker) {
    const Unit& unit = units_[item.unit];
    const Piece& piece = unit.pieces[item.piece];
    slot.has_bytes = false;
    slot.against = absl::OkStatus();
    slot.status = ReadStoredChunk(shard_, unit, piece, item.chunk, &worker.bytes);
    if (!slot.status.ok()) return;
    if (worker.unit != item.unit) {
      absl::StatusOr<UnitTables> tables = ReadTables(shard_, unit);
      worker.tables.reset();
      if (tables.ok()) worker.tables = *std::move(tables);
      worker.unit = item.unit;
    }
    // Damaged tables are reported by CheckUnit; a coded piece cannot be decoded without.
    if (!worker.tables && piece.codec != Codec::kRaw) return;
    static const UnitTables kNoTables;
    slot.decoded.resize(DecodedChunkSizeBytes(piece, item.chunk));
    slot.status = DecodeStoredChunk(shard_, unit, piece, item.chunk,
                                    worker.tables ? *worker.tables : kNoTables, worker.bytes,
                                    absl::MakeSpan(slot.decoded));
    slot.has_bytes = slot.status.ok();
    if (slot.has_bytes && context_.against != nullptr) {
      slot.against = Compare(piece, item.chunk, slot.decoded, worker.bytes);
    }
  }

  absl::Status Compare(const Piece& piece, uint32_t chunk, const std::vector<uint8_t>& decoded,
                       std::vector<uint8_t>& buffer) const {
    const auto source = context_.against->find(piece.tensor);
    const uint64_t offset = piece.tensor_offset_bytes + uint64_t{chunk} * kChunkWeights;
    if (source == context_.against->end() ||
        offset + decoded.size() > source->second.tensor->size_bytes()) {
      return absl::OkStatus();  // reported by CheckUnit
    }
    buffer.resize(decoded.size());
    ECF8_RETURN_IF_ERROR(source->second.ReadAt(offset, absl::MakeSpan(buffer)));
    const auto different = std::mismatch(decoded.begin(), decoded.end(), buffer.begin()).first;
    if (different == decoded.end()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("byte ", offset + static_cast<uint64_t>(different - decoded.begin()),
                     " of the tensor is not that of the original"));
  }

  // On the coordinating thread, in order.
  void Check(const ChunkItem& item, const Slot& slot) {
    const Unit& unit = units_[item.unit];
    const Piece& piece = unit.pieces[item.piece];
    if (item.chunk == 0) piece_is_whole_ = piece_is_same_ = true;
    context_.problems->AddStatus(slot.status);
    context_.meter->Add(DecodedChunkSizeBytes(piece, item.chunk));
    if (!slot.against.ok() && piece_is_same_) {
      piece_is_same_ = false;  // one line a piece is enough
      context_.problems->AddStatus(AddContext(slot.against, Name(unit, piece)));
    }
    if (!slot.has_bytes) piece_is_whole_ = false;
    if (!hasher_.Add(piece, item.chunk, slot.decoded) || !piece_is_whole_) return;
    if (hasher_.digest() != piece.decoded_xxh3) {
      context_.problems->Add(
          absl::StrCat(Name(unit, piece), ": the decoded bytes do not match their checksum"));
    }
  }

  absl::Status CheckGap(const Gap& gap) {
    std::vector<uint8_t> block;
    for (uint64_t offset = gap.begin; offset < gap.end; offset += block.size()) {
      if (context_.cancel != nullptr && context_.cancel->load()) {
        return absl::CancelledError("cancelled");
      }
      block.resize(std::min<uint64_t>(kBlockBytes, gap.end - offset));
      const absl::Status read = shard_.file.ReadAt(offset, absl::MakeSpan(block));
      const auto bad = std::find_if(block.begin(), block.end(), [](uint8_t b) { return b != 0; });
      if (read.ok() && bad == block.end()) continue;
      context_.problems->Add(
          read.ok() ? absl::StrCat(Quoted(shard_.file_name), ", ", Before(gap), ": byte ",
                                   offset + static_cast<uint64_t>(bad - block.begin()),
                                   ", which is padding, is not zero")
                    : std::string(ToStd(read.message())));
      return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  // The unit that a gap lies in or follows, for people.
  std::string Before(const Gap& gap) const {
    const auto next = std::partition_point(units_.begin(), units_.end(), [&gap](const Unit& unit) {
      return unit.offset_bytes <= gap.begin;
    });
    if (next == units_.begin()) return "before the first unit";
    return absl::StrCat("unit ", Quoted(std::prev(next)->id));
  }

  const Shard& shard_;
  const std::vector<Unit>& units_;
  const VerifyContext& context_;
  std::vector<ChunkItem> items_;
  std::vector<Slot> slots_;
  std::vector<Worker> workers_;

  // Of the piece that is being checked.
  PieceHasher hasher_;
  bool piece_is_whole_ = true;  // every chunk of it could be decoded
  bool piece_is_same_ = true;   // as the original's, so far
};

}  // namespace

absl::Status VerifyShard(const Shard& shard, const VerifyContext& context) {
  return ShardVerifier(shard, context).Run();
}

}  // namespace ecf8
