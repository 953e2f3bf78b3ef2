#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/ordered_pipeline.h"
#include "loader/base/staged_directory.h"
#include "loader/base/strings.h"
#include "loader/model/chunk_walk.h"
#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "loader/model/job.h"
#include "loader/model/original.h"
#include "loader/model/original_layout.h"
#include "loader/model/other_files.h"
#include "loader/model/progress_meter.h"

namespace ecf8 {
namespace {

constexpr size_t kChunksInFlightPerThread = 4;

absl::Span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Writes the original .safetensors files.
class WeightsRestorer {
 public:
  WeightsRestorer(const CompressedModel& model, const OriginalLayout& layout, int threads,
                  const JobOptions& options)
      : model_(model),
        layout_(layout),
        threads_(threads),
        cancel_(options.cancel),
        meter_(options.progress, TensorBytes(layout)),
        decoded_(static_cast<size_t>(threads) * kChunksInFlightPerThread),
        workers_(static_cast<size_t>(threads)) {
    for (uint32_t u = 0; u < model.unit_count(); ++u) AppendChunks(model.unit(u), u, &items_);
  }

  absl::Status Run(const std::string& directory) {
    for (const OriginalTensorFile& original : layout_.files) {
      ECF8_RETURN_IF_ERROR(MakeParents(directory, original.path));
      ECF8_ASSIGN_OR_RETURN(File file,
                            File::CreateForWrite(absl::StrCat(directory, "/", original.path)));
      ECF8_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(original.head)));
      files_.push_back(std::move(file));
    }
    OrderedJob job;
    job.item_count = items_.size();
    job.threads = threads_;
    job.max_in_flight = decoded_.size();
    job.cancel = cancel_;
    job.work = [this](size_t i, int worker) {
      return Restore(i, workers_[static_cast<size_t>(worker)]);
    };
    job.consume = [this](size_t i) { return Check(i); };
    ECF8_RETURN_IF_ERROR(RunOrdered(job));
    for (File& file : files_) ECF8_RETURN_IF_ERROR(file.Sync());
    meter_.Finish();
    return absl::OkStatus();
  }

 private:
  struct Worker {
    std::optional<uint32_t> unit;  // that the tables belong to
    UnitTables tables;
    std::vector<uint8_t> stored;
  };

  static uint64_t TensorBytes(const OriginalLayout& layout) {
    uint64_t bytes = 0;
    for (const OriginalTensorFile& file : layout.files) bytes += file.size_bytes - file.head.size();
    return bytes;
  }

  const Piece& PieceOf(const ChunkItem& item) const {
    return model_.unit(item.unit).pieces[item.piece];
  }

  // Decodes a chunk and writes it to its place.
  absl::Status Restore(size_t index, Worker& worker) {
    const ChunkItem item = items_[index];
    const Piece& piece = PieceOf(item);
    if (worker.unit != item.unit) {
      ECF8_ASSIGN_OR_RETURN(worker.tables, model_.ReadTables(item.unit));
      worker.unit = item.unit;
    }
    std::vector<uint8_t>& decoded = decoded_[index % decoded_.size()];
    decoded.resize(DecodedChunkSizeBytes(piece, item.chunk));
    ECF8_RETURN_IF_ERROR(model_.ReadDecodedChunk({item.unit, item.piece}, item.chunk, worker.tables,
                                                 &worker.stored, absl::MakeSpan(decoded)));
    const OriginalPlace& place = layout_.places.at(piece.tensor);
    return files_[place.file].WriteAt(
        place.offset_bytes + piece.tensor_offset_bytes + uint64_t{item.chunk} * kChunkWeights,
        decoded);
  }

  absl::Status Check(size_t index) {
    const ChunkItem item = items_[index];
    const Piece& piece = PieceOf(item);
    const std::vector<uint8_t>& decoded = decoded_[index % decoded_.size()];
    meter_.Add(decoded.size());
    if (hasher_.Add(piece, item.chunk, decoded) && hasher_.digest() != piece.decoded_xxh3) {
      return absl::DataLossError(absl::StrCat(Quoted(model_.shard_of(item.unit).file_name),
                                              ", unit ", Quoted(model_.unit(item.unit).id),
                                              ", tensor ", Quoted(piece.tensor),
                                              ": the decoded bytes do not match their checksum"));
    }
    return absl::OkStatus();
  }

  const CompressedModel& model_;
  const OriginalLayout& layout_;
  const int threads_;
  const std::atomic<bool>* const cancel_;
  ProgressMeter meter_;
  std::vector<ChunkItem> items_;
  std::vector<File> files_;
  std::vector<std::vector<uint8_t>> decoded_;
  std::vector<Worker> workers_;
  PieceHasher hasher_;
};

// Everything else: kept files from the manifest, the others from the directory.
absl::StatusOr<uint64_t> RestoreOtherFiles(const CompressedModel& model, const std::string& to,
                                           const std::atomic<bool>* cancel) {
  uint64_t bytes = 0;
  std::unordered_set<std::string_view> restored;
  for (const Original& original : model.directory_record().originals) {
    restored.insert(original.path);
    if (original.kind != Original::Kind::kFile) continue;
    ECF8_ASSIGN_OR_RETURN(const std::string content, InflateOriginal(original));
    // The rewritten file beside the shards has the mode that the original had.
    const std::string rewritten = absl::StrCat(model.directory(), "/", original.path);
    ECF8_RETURN_IF_ERROR(WriteFile(to, original.path, content, rewritten).status());
    bytes += content.size();
  }
  for (const OtherFile& file : model.directory_record().files) {
    if (file.generated || restored.contains(file.path)) continue;
    ECF8_ASSIGN_OR_RETURN(const OtherFile copied,
                          CopyFile(model.directory(), to, file.path, cancel));
    if (copied.size_bytes != file.size_bytes || copied.xxh3 != file.xxh3) {
      return absl::DataLossError(
          absl::StrCat("the file ", Quoted(file.path), " does not match its checksum"));
    }
    bytes += copied.size_bytes;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<CompressSummary> DecompressModel(const std::string& source,
                                                const std::string& destination,
                                                const JobOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  ECF8_ASSIGN_OR_RETURN(const std::shared_ptr<const CompressedModel> model,
                        CompressedModel::Open(source));
  ECF8_RETURN_IF_ERROR(CheckDisjoint(source, destination));
  ECF8_ASSIGN_OR_RETURN(const OriginalLayout layout, ReadOriginalLayout(*model));
  ECF8_ASSIGN_OR_RETURN(StagedDirectory staged,
                        StagedDirectory::Create(destination, options.replace));
  ECF8_RETURN_IF_ERROR(
      WeightsRestorer(*model, layout, ThreadCount(options.threads), options).Run(staged.path()));
  CompressSummary summary;
  ECF8_ASSIGN_OR_RETURN(summary.raw_bytes,
                        RestoreOtherFiles(*model, staged.path(), options.cancel));
  ECF8_RETURN_IF_ERROR(staged.Commit());
  for (const OriginalTensorFile& file : layout.files) summary.raw_bytes += file.size_bytes;
  for (const Shard& shard : model->shards()) summary.stored_bytes += shard.size_bytes;
  for (const OtherFile& file : model->directory_record().files) {
    summary.stored_bytes += file.size_bytes;
  }
  summary.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return summary;
}

}  // namespace ecf8
