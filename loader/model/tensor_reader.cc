#include "loader/model/tensor_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/ordered_pipeline.h"
#include "loader/base/strings.h"
#include "loader/model/job.h"

namespace ecf8 {
namespace {

constexpr size_t kChunksInFlightPerThread = 4;

// A chunk, and what of it goes where.
struct ChunkPart {
  PieceRef piece;
  uint32_t chunk = 0;
  uint64_t skip_bytes = 0;  // at the chunk's beginning
  absl::Span<uint8_t> out;
};

class RangeReader {
 public:
  RangeReader(const CompressedModel& model, const TensorReadOptions& options)
      : model_(model), options_(options) {}

  absl::Status Add(const TensorRange& range) {
    const absl::Span<const PieceRef> pieces = model_.FindTensor(range.tensor);
    if (pieces.empty()) {
      return absl::NotFoundError(
          absl::StrCat("model ", Quoted(model_.name()), " has no tensor ", Quoted(range.tensor)));
    }
    const Piece& last = PieceOf(pieces.back());
    const uint64_t size_bytes = last.tensor_offset_bytes + last.decoded_size_bytes;
    if (range.offset_bytes > size_bytes || range.out.size() > size_bytes - range.offset_bytes) {
      return absl::OutOfRangeError(absl::StrCat("tensor ", Quoted(range.tensor), " has ",
                                                size_bytes, " bytes, and ", range.out.size(),
                                                " from ", range.offset_bytes, " were asked for"));
    }
    for (const PieceRef piece : pieces) AddPiece(piece, range);
    return absl::OkStatus();
  }

  absl::Status Run() {
    if (parts_.empty()) return absl::OkStatus();
    // As they lie on the disk, whatever order they were asked for in.
    std::sort(parts_.begin(), parts_.end(), [](const ChunkPart& a, const ChunkPart& b) {
      return std::pair(std::pair(a.piece.unit_index, a.piece.piece), a.chunk) <
             std::pair(std::pair(b.piece.unit_index, b.piece.piece), b.chunk);
    });
    const size_t threads =
        std::min(static_cast<size_t>(ThreadCount(options_.threads)), parts_.size());
    workers_.resize(threads);
    if (parts_.size() == 1) return Read(parts_[0], workers_[0]);
    OrderedJob job;
    job.item_count = parts_.size();
    job.threads = static_cast<int>(threads);
    job.max_in_flight = threads * kChunksInFlightPerThread;
    job.work = [this](size_t i, int worker) {
      return Read(parts_[i], workers_[static_cast<size_t>(worker)]);
    };
    job.consume = [this](size_t /*index*/) {
      return options_.poll ? options_.poll() : absl::OkStatus();
    };
    return RunOrdered(job);
  }

 private:
  struct Worker {
    std::optional<uint32_t> unit;  // that the tables belong to
    UnitTables tables;
    std::vector<uint8_t> stored;
    std::vector<uint8_t> decoded;  // of a chunk that is wanted in part
  };

  const Piece& PieceOf(PieceRef ref) const { return model_.unit(ref.unit_index).pieces[ref.piece]; }

  void AddPiece(PieceRef ref, const TensorRange& range) {
    const Piece& piece = PieceOf(ref);
    const uint64_t piece_end = piece.tensor_offset_bytes + piece.decoded_size_bytes;
    uint64_t begin = std::max(range.offset_bytes, piece.tensor_offset_bytes);
    const uint64_t end = std::min(range.offset_bytes + range.out.size(), piece_end);
    while (begin < end) {
      const uint64_t in_piece = begin - piece.tensor_offset_bytes;
      const auto chunk = static_cast<uint32_t>(in_piece / kChunkWeights);
      const uint64_t skip = in_piece % kChunkWeights;
      const uint64_t size = std::min(DecodedChunkSizeBytes(piece, chunk) - skip, end - begin);
      parts_.push_back({ref, chunk, skip, range.out.subspan(begin - range.offset_bytes, size)});
      begin += size;
    }
  }

  absl::Status Read(const ChunkPart& part, Worker& worker) const {
    const Piece& piece = PieceOf(part.piece);
    if (piece.codec != Codec::kRaw && worker.unit != part.piece.unit_index) {
      ECF8_ASSIGN_OR_RETURN(worker.tables, model_.ReadTables(part.piece.unit_index));
      worker.unit = part.piece.unit_index;
    }
    const uint64_t chunk_bytes = DecodedChunkSizeBytes(piece, part.chunk);
    if (part.out.size() == chunk_bytes) {
      return model_.ReadDecodedChunk(part.piece, part.chunk, worker.tables, &worker.stored,
                                     part.out);
    }
    worker.decoded.resize(chunk_bytes);
    ECF8_RETURN_IF_ERROR(model_.ReadDecodedChunk(part.piece, part.chunk, worker.tables,
                                                 &worker.stored, absl::MakeSpan(worker.decoded)));
    std::memcpy(part.out.data(), worker.decoded.data() + part.skip_bytes, part.out.size());
    return absl::OkStatus();
  }

  const CompressedModel& model_;
  const TensorReadOptions& options_;
  std::vector<ChunkPart> parts_;
  std::vector<Worker> workers_;
};

}  // namespace

std::vector<StoredTensor> ListTensors(const CompressedModel& model) {
  std::vector<StoredTensor> tensors;
  std::unordered_set<std::string_view> seen;
  for (uint32_t u = 0; u < model.unit_count(); ++u) {
    for (const Piece& piece : model.unit(u).pieces) {
      if (!seen.insert(piece.tensor).second) continue;
      // The parser has checked that it is a size.
      tensors.push_back({piece.tensor, piece.dtype, piece.shape,
                         TensorSizeBytes(piece.dtype, piece.shape).value_or(0)});
    }
  }
  return tensors;
}

absl::Status ReadTensors(const CompressedModel& model, absl::Span<const TensorRange> ranges,
                         const TensorReadOptions& options) {
  RangeReader reader(model, options);
  for (const TensorRange& range : ranges) ECF8_RETURN_IF_ERROR(reader.Add(range));
  return reader.Run();
}

}  // namespace ecf8
