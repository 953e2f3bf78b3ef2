#include "loader/model/weights_writer.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "decoder/checksum.h"
#include "decoder/chunk_encoder.h"
#include "decoder/status_macros.h"
#include "loader/base/ordered_pipeline.h"
#include "loader/model/progress_meter.h"
#include "loader/model/table_searcher.h"

namespace ecf8 {
namespace {

constexpr char kWriter[] = "ecf8 " ECF8_VERSION;
constexpr size_t kChunksInFlightPerThread = 4;

class WeightsWriter {
 public:
  WeightsWriter(const CompressPlan& plan, const std::string& directory, int threads,
                const JobOptions& options)
      : plan_(plan),
        directory_(directory),
        threads_(threads),
        cancel_(options.cancel),
        meter_(options.progress, plan.tensor_bytes),
        slots_(static_cast<size_t>(threads) * kChunksInFlightPerThread),
        encoders_(static_cast<size_t>(threads)) {
    for (uint32_t s = 0; s < plan.shards.size(); ++s) {
      for (const PlannedUnit& unit : plan.shards[s].units) {
        AddItems(unit, static_cast<uint32_t>(units_.size()));
        units_.push_back(&unit);
        shard_of_unit_.push_back(s);
      }
    }
  }

  absl::StatusOr<WrittenWeights> Run() {
    TableSearcher searcher(plan_, units_, threads_, cancel_);
    searcher_ = &searcher;
    ECF8_RETURN_IF_ERROR(searcher.Start());
    ECF8_RETURN_IF_ERROR(BeginShard(0));
    OrderedJob job;
    job.item_count = items_.size();
    job.threads = threads_;
    job.max_in_flight = slots_.size();
    job.cancel = cancel_;
    job.work = [this](size_t i, int worker) { return StopSearchOnError(Encode(i, worker)); };
    job.consume = [this](size_t i) { return StopSearchOnError(Write(i)); };
    ECF8_RETURN_IF_ERROR(RunOrdered(job));
    ECF8_RETURN_IF_ERROR(AdvanceTo(units_.size()));
    ECF8_RETURN_IF_ERROR(EndShard());
    meter_.Finish();
    return WrittenWeights{*std::move(first_), std::move(infos_)};
  }

 private:
  struct Item {
    uint32_t unit = 0;
    uint32_t piece = 0;
    uint32_t chunk = 0;
  };

  // A chunk between its reading and its writing.
  struct Slot {
    std::vector<uint8_t> weights;
    std::vector<uint8_t> coded;
    bool is_coded = false;
    uint64_t xxh3 = 0;

    absl::Span<const uint8_t> stored() const { return is_coded ? coded : weights; }
  };

  // Of a worker: for the tables that it used last.
  struct Encoder {
    std::shared_ptr<const UnitTables> tables;
    const TableSet* set = nullptr;
    std::unique_ptr<ChunkEncoder> encoder;
  };

  void AddItems(const PlannedUnit& unit, uint32_t index) {
    for (uint32_t p = 0; p < unit.pieces.size(); ++p) {
      const auto chunks = static_cast<uint32_t>(ChunkCount(unit.pieces[p].size_bytes));
      for (uint32_t c = 0; c < chunks; ++c) items_.push_back({index, p, c});
    }
  }

  // A worker may be waiting for tables that will never come.
  absl::Status StopSearchOnError(absl::Status status) {
    if (!status.ok()) searcher_->Stop(status);
    return status;
  }

  absl::Status Encode(size_t index, int worker) {
    const Item item = items_[index];
    const PlannedPiece& piece = units_[item.unit]->pieces[item.piece];
    Slot& slot = slots_[index % slots_.size()];
    slot.weights.resize(ChunkWeightsAt(piece.size_bytes, item.chunk));
    ECF8_RETURN_IF_ERROR(
        plan_.ReadPiece(piece, uint64_t{item.chunk} * kChunkWeights, absl::MakeSpan(slot.weights)));
    slot.is_coded = false;
    if (piece.codec_hint != Codec::kRaw) {
      ECF8_ASSIGN_OR_RETURN(auto tables, searcher_->WaitFor(item.unit));
      if (const TableSet* set = tables->For(piece.codec_hint)) {
        EncoderFor(encoders_[static_cast<size_t>(worker)], std::move(tables), set)
            .Encode(slot.weights, &slot.coded);
        slot.is_coded = true;
      }
    }
    slot.xxh3 = Xxh3(slot.stored());
    return absl::OkStatus();
  }

  static ChunkEncoder& EncoderFor(Encoder& cached, std::shared_ptr<const UnitTables> tables,
                                  const TableSet* set) {
    if (cached.set != set || cached.tables != tables) {
      cached.encoder = std::make_unique<ChunkEncoder>(*set);
      cached.tables = std::move(tables);
      cached.set = set;
    }
    return *cached.encoder;
  }

  absl::Status Write(size_t index) {
    const Item item = items_[index];
    const Slot& slot = slots_[index % slots_.size()];
    ECF8_RETURN_IF_ERROR(AdvanceTo(item.unit));
    BeginPiecesUpTo(item.piece);
    decoded_hash_.Update(slot.weights);
    ECF8_RETURN_IF_ERROR(shard_->AddChunk(slot.stored(), slot.xxh3));
    meter_.Add(slot.weights.size());
    return absl::OkStatus();
  }

  // Ends units and begins the next until `unit` is open, or all are written. Units without bytes
  // have no items, and are written on the way.
  absl::Status AdvanceTo(size_t unit) {
    while (unit_ != unit) {
      if (unit_.has_value()) EndUnit();
      unit_ = unit_.has_value() ? *unit_ + 1 : 0;
      if (*unit_ == units_.size()) break;
      if (shard_of_unit_[*unit_] != infos_.size() - 1) {
        ECF8_RETURN_IF_ERROR(EndShard());
        ECF8_RETURN_IF_ERROR(BeginShard(shard_of_unit_[*unit_]));
      }
      ECF8_ASSIGN_OR_RETURN(tables_, searcher_->WaitFor(*unit_));
      ECF8_RETURN_IF_ERROR(shard_->BeginUnit(units_[*unit_]->id, *tables_));
      pieces_begun_ = 0;
    }
    return absl::OkStatus();
  }

  void EndUnit() {
    const size_t pieces = units_[*unit_]->pieces.size();
    if (pieces > 0) BeginPiecesUpTo(pieces - 1);
    EndPiece();
    shard_->EndUnit();
    searcher_->ReleaseBefore(*unit_ + 1);
  }

  // Ends pieces and begins the next until piece `last` of the open unit is open.
  void BeginPiecesUpTo(size_t last) {
    while (pieces_begun_ <= last) {
      EndPiece();
      const PlannedPiece& planned = units_[*unit_]->pieces[pieces_begun_++];
      shard_->BeginPiece(NewPiece(plan_, planned, *tables_));
      decoded_hash_ = Xxh3Stream();
    }
  }

  void EndPiece() {
    if (pieces_begun_ > 0) shard_->EndPiece(decoded_hash_.Digest());
  }

  absl::Status BeginShard(uint32_t index) {
    ECF8_ASSIGN_OR_RETURN(
        const uint64_t header_size,
        ReserveHeaderBytes(plan_.shards[index].units, plan_.tensors, plan_.metadata));
    ECF8_ASSIGN_OR_RETURN(shard_,
                          ShardWriter::Create(directory_, plan_.shard_names[index], header_size));
    infos_.push_back({plan_.shard_names[index]});
    return absl::OkStatus();
  }

  absl::Status EndShard() {
    if (infos_.size() == 1) {
      first_ = std::move(shard_);
      return absl::OkStatus();
    }
    const auto index = static_cast<uint32_t>(infos_.size() - 1);
    ECF8_ASSIGN_OR_RETURN(
        infos_.back(),
        shard_->Finish(NewManifest(index, static_cast<uint32_t>(plan_.shards.size())),
                       plan_.metadata));
    return absl::OkStatus();
  }

  const CompressPlan& plan_;
  const std::string& directory_;
  const int threads_;
  const std::atomic<bool>* const cancel_;
  ProgressMeter meter_;
  std::vector<const PlannedUnit*> units_;
  std::vector<uint32_t> shard_of_unit_;
  std::vector<Item> items_;
  TableSearcher* searcher_ = nullptr;

  // Of the workers: an item's slot, a worker's encoder.
  std::vector<Slot> slots_;
  std::vector<Encoder> encoders_;

  // Of the coordinating thread: what is being written.
  std::optional<ShardWriter> shard_;
  std::optional<ShardWriter> first_;
  std::vector<ShardInfo> infos_;
  std::optional<size_t> unit_;
  std::shared_ptr<const UnitTables> tables_;
  size_t pieces_begun_ = 0;  // of the open unit; the last of them is open
  Xxh3Stream decoded_hash_;
};

}  // namespace

absl::StatusOr<WrittenWeights> WriteWeights(const CompressPlan& plan, const std::string& directory,
                                            int threads, const JobOptions& options) {
  return WeightsWriter(plan, directory, threads, options).Run();
}

Piece NewPiece(const CompressPlan& plan, const PlannedPiece& planned, const UnitTables& tables) {
  const PlanTensor& tensor = plan.tensors[planned.tensor];
  Piece piece;
  piece.tensor = std::string(tensor.name);
  piece.dtype = tensor.dtype;
  piece.shape.assign(tensor.shape.begin(), tensor.shape.end());
  piece.codec = tables.For(planned.codec_hint) != nullptr ? planned.codec_hint : Codec::kRaw;
  piece.tensor_offset_bytes = planned.tensor_offset_bytes;
  piece.decoded_size_bytes = planned.size_bytes;
  return piece;
}

Manifest NewManifest(uint32_t shard_index, uint32_t shard_count) {
  Manifest manifest;
  manifest.writer = kWriter;
  manifest.shard_index = shard_index;
  manifest.shard_count = shard_count;
  return manifest;
}

}  // namespace ecf8
