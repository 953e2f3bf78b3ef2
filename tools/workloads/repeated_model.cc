#include "tools/workloads/repeated_model.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/staged_directory.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/unit_place.h"
#include "loader/io/block_reader.h"
#include "loader/model/compress.h"
#include "loader/model/compress_files.h"
#include "loader/model/compress_plan.h"
#include "loader/model/job.h"
#include "loader/model/weights_writer.h"
#include "tools/workloads/made_up_source.h"
#include "tools/workloads/scratch_directory.h"

namespace ecf8 {
namespace {

constexpr char kModel[] = "/model";
constexpr char kBytes[] = "/bytes";
constexpr char kBytesShard[] = "bytes.safetensors";
constexpr char kConfig[] = "/config.json";

// What the stored bytes of a unit depend on, but for the weights.
std::string KindOf(const CompressPlan& plan, const PlannedUnit& unit) {
  std::string kind;
  for (const PlannedPiece& piece : unit.pieces) {
    const PlanTensor& tensor = plan.tensors[piece.tensor];
    absl::StrAppend(&kind, static_cast<int>(tensor.dtype), "/");
    for (const uint64_t dimension : tensor.shape) absl::StrAppend(&kind, dimension, ",");
    absl::StrAppend(&kind, piece.size_bytes, ";");
  }
  return kind;
}

// Which units are encoded, and which of them each unit of the model is.
struct Repetition {
  std::vector<PlannedUnit> units;
  std::vector<uint32_t> unit_of;  // by unit of the model, in walk order
};

Repetition ChooseUnits(const CompressPlan& plan, uint32_t variants) {
  Repetition chosen;
  struct Kind {
    std::vector<uint32_t> units;
    uint32_t seen = 0;
  };
  std::unordered_map<std::string, Kind> kinds;
  for (const PlannedShard& shard : plan.shards) {
    for (const PlannedUnit& unit : shard.units) {
      Kind& kind = kinds[KindOf(plan, unit)];
      const uint32_t different = PlaceOfUnit(unit.id).expert ? variants : 1;
      if (kind.units.size() < different) {
        kind.units.push_back(static_cast<uint32_t>(chosen.units.size()));
        chosen.units.push_back(unit);
      }
      chosen.unit_of.push_back(kind.units[kind.seen++ % different]);
    }
  }
  return chosen;
}

// A shard has all of a tensor or nothing: what is a part of one becomes a tensor of its own, with
// the bytes that the tensor begins with.
class WholeTensors {
 public:
  explicit WholeTensors(CompressPlan& plan) : plan_(plan) {}

  void Make(PlannedUnit& unit) {
    if (!unit.shares_tensors) return;
    for (PlannedPiece& piece : unit.pieces) {
      const PlanTensor& tensor = plan_.tensors[piece.tensor];
      const std::string& name = names_.emplace_back(absl::StrCat(unit.id, "/", names_.size()));
      const std::vector<uint64_t>& shape = shapes_.emplace_back(
          1, piece.size_bytes * 8 / static_cast<uint64_t>(DTypeBits(tensor.dtype)));
      const PlanTensor whole = {name, tensor.dtype, shape, piece.size_bytes};
      plan_.refs.push_back(plan_.refs[piece.tensor]);
      piece.tensor = static_cast<uint32_t>(plan_.tensors.size());
      piece.tensor_offset_bytes = 0;
      plan_.tensors.push_back(whole);
    }
    unit.shares_tensors = false;
  }

 private:
  CompressPlan& plan_;
  std::deque<std::string> names_;  // the plan's tensors look at both
  std::deque<std::vector<uint64_t>> shapes_;
};

// The shard that has the units.
absl::Status WriteBytes(const CompressPlan& plan, const Repetition& repetition,
                        const std::string& directory, const std::atomic<bool>* cancel) {
  CompressPlan bytes = plan;
  bytes.shards = {{.units = repetition.units}};
  bytes.shard_names = {kBytesShard};
  WholeTensors tensors(bytes);
  for (PlannedUnit& unit : bytes.shards[0].units) tensors.Make(unit);
  JobOptions options;
  options.cancel = cancel;
  ECF8_ASSIGN_OR_RETURN(WrittenWeights written,
                        WriteWeights(bytes, directory, ThreadCount(0), options));
  Manifest manifest = NewManifest(0, 1);
  manifest.directory = Directory{.shards = {{kBytesShard}}, .files = {}, .originals = {}};
  return written.first.Finish(std::move(manifest), plan.metadata).status();
}

class RepeatedWriter {
 public:
  RepeatedWriter(const CompressPlan& plan, const Repetition& repetition,
                 const CompressedModel& bytes, const std::string& directory)
      : plan_(plan),
        repetition_(repetition),
        bytes_(bytes),
        directory_(directory),
        tables_(bytes.unit_count()) {}

  absl::Status Run(const std::atomic<bool>* cancel) {
    Directory record;
    std::optional<ShardWriter> first;
    const auto count = static_cast<uint32_t>(plan_.shards.size());
    for (uint32_t s = 0; s < count; ++s) {
      if (cancel != nullptr && *cancel) return absl::CancelledError("cancelled");
      ECF8_ASSIGN_OR_RETURN(ShardWriter shard, WriteUnits(s));
      record.shards.push_back({plan_.shard_names[s]});
      if (s == 0) {
        first = std::move(shard);
      } else {
        ECF8_ASSIGN_OR_RETURN(record.shards.back(),
                              shard.Finish(NewManifest(s, count), plan_.metadata));
      }
    }
    CompressedSizes ignored;
    ECF8_RETURN_IF_ERROR(WriteCompressFiles(plan_, directory_, cancel, &record, &ignored));
    Manifest manifest = NewManifest(0, count);
    manifest.directory = std::move(record);
    return first->Finish(std::move(manifest), plan_.metadata).status();
  }

 private:
  absl::StatusOr<ShardWriter> WriteUnits(uint32_t s) {
    const std::vector<PlannedUnit>& units = plan_.shards[s].units;
    ECF8_ASSIGN_OR_RETURN(const uint64_t header_bytes,
                          ReserveHeaderBytes(units, plan_.tensors, plan_.metadata));
    ECF8_ASSIGN_OR_RETURN(ShardWriter shard,
                          ShardWriter::Create(directory_, plan_.shard_names[s], header_bytes));
    for (const PlannedUnit& unit : units) {
      ECF8_RETURN_IF_ERROR(WriteUnit(unit, repetition_.unit_of[next_unit_++], shard));
    }
    return shard;
  }

  absl::Status WriteUnit(const PlannedUnit& planned, uint32_t index, ShardWriter& shard) {
    if (tables_[index] == nullptr) {
      ECF8_ASSIGN_OR_RETURN(UnitTables tables, bytes_.ReadTables(index));
      tables_[index] = std::make_unique<UnitTables>(std::move(tables));
    }
    const Unit& unit = bytes_.unit(index);
    ECF8_RETURN_IF_ERROR(shard.BeginUnit(planned.id, *tables_[index]));
    for (size_t p = 0; p < planned.pieces.size(); ++p) {
      shard.BeginPiece(NewPiece(plan_, planned.pieces[p], *tables_[index]));
      for (const Chunk& chunk : unit.pieces[p].chunks) {
        shard.SkipChunk(chunk.stored_size_bytes, chunk.xxh3);
      }
      shard.EndPiece(unit.pieces[p].decoded_xxh3);
    }
    shard.EndUnit();
    return absl::OkStatus();
  }

  const CompressPlan& plan_;
  const Repetition& repetition_;
  const CompressedModel& bytes_;
  const std::string directory_;
  std::vector<std::unique_ptr<UnitTables>> tables_;  // by unit of the bytes, as they are needed
  size_t next_unit_ = 0;
};

absl::Status WriteConfig(const RepeatedModelOptions& options, const std::string& path) {
  const std::string config = MoeConfig(options.shape, options.experts_per_token);
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(path));
  return file.WriteAt(0, {reinterpret_cast<const uint8_t*>(config.data()), config.size()});
}

}  // namespace

absl::Status WriteRepeatedModel(const RepeatedModelOptions& options, const std::string& directory,
                                const std::atomic<bool>* cancel) {
  ECF8_ASSIGN_OR_RETURN(StagedDirectory staged, StagedDirectory::Create(directory, false));
  ECF8_ASSIGN_OR_RETURN(const auto scratch, ScratchDirectory::Make());
  SourceModel source = MakeUpSource(ListMoeTensors(options.shape), options.seed);
  ECF8_RETURN_IF_ERROR(WriteConfig(options, scratch->path() + kConfig));
  source.directory = scratch->path();
  source.has_config = true;
  ECF8_ASSIGN_OR_RETURN(const CompressPlan plan,
                        PlanCompression(source, JobOptions().shard_size_bytes));
  const Repetition repetition = ChooseUnits(plan, options.variants);
  for (const char* const part : {kModel, kBytes}) {
    std::error_code error;
    std::filesystem::create_directory(staged.path() + part, error);
    if (error) return absl::InternalError(absl::StrCat("cannot make ", part, error.message()));
  }
  const std::string bytes_path = staged.path() + kBytes;
  ECF8_RETURN_IF_ERROR(WriteBytes(plan, repetition, bytes_path, cancel));
  ECF8_ASSIGN_OR_RETURN(const auto bytes,
                        CompressedModel::OpenFile(absl::StrCat(bytes_path, "/", kBytesShard)));
  ECF8_RETURN_IF_ERROR(
      RepeatedWriter(plan, repetition, *bytes, staged.path() + kModel).Run(cancel));
  return staged.Commit();
}

std::string RepeatedModelPath(const std::string& directory) { return directory + kModel; }

absl::StatusOr<std::unique_ptr<RepeatedBytes>> RepeatedBytes::Open(
    std::shared_ptr<const CompressedModel> model, const std::string& directory) {
  std::unique_ptr<RepeatedBytes> self(new RepeatedBytes);
  self->model_ = std::move(model);
  ECF8_ASSIGN_OR_RETURN(
      self->bytes_, CompressedModel::OpenFile(absl::StrCat(directory, kBytes, "/", kBytesShard)));
  std::unordered_map<uint64_t, uint32_t> unit_by_checksum;
  for (uint32_t i = 0; i < self->bytes_->unit_count(); ++i) {
    unit_by_checksum.emplace(self->bytes_->unit(i).stored_xxh3, i);
  }
  const std::vector<Shard>& shards = self->model_->shards();
  for (uint32_t s = 0; s < shards.size(); ++s) {
    struct stat stat {};
    if (::fstat(shards[s].file.fd(), &stat) != 0)
      return ErrnoStatus(errno, "cannot look at a shard");
    self->shard_by_inode_[{stat.st_dev, stat.st_ino}] = s;
    std::vector<Place>& places = self->places_.emplace_back();
    for (const Unit& unit : shards[s].manifest.units) {
      const auto found = unit_by_checksum.find(unit.stored_xxh3);
      if (found == unit_by_checksum.end()) {
        return absl::DataLossError(
            absl::StrCat("the bytes of ", Quoted(unit.id), " are not there"));
      }
      places.push_back({.begin = unit.offset_bytes,
                        .end = RoundUp(unit.offset_bytes + unit.stored_size_bytes, kBlockBytes),
                        .at = self->bytes_->unit(found->second).offset_bytes});
    }
  }
  return self;
}

std::optional<uint32_t> RepeatedBytes::ShardOf(int fd) const {
  struct stat stat {};
  if (::fstat(fd, &stat) != 0) return std::nullopt;
  const auto found = shard_by_inode_.find({stat.st_dev, stat.st_ino});
  if (found == shard_by_inode_.end()) return std::nullopt;
  return found->second;
}

std::optional<uint64_t> RepeatedBytes::Find(uint32_t shard, uint64_t offset_bytes) const {
  const std::vector<Place>& places = places_[shard];
  const auto behind =
      std::upper_bound(places.begin(), places.end(), offset_bytes,
                       [](uint64_t offset, const Place& place) { return offset < place.begin; });
  if (behind == places.begin()) return std::nullopt;
  const Place& place = *std::prev(behind);
  if (offset_bytes >= place.end) return std::nullopt;
  return place.at + (offset_bytes - place.begin);
}

int64_t RepeatedCalls::Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) {
  const std::optional<uint32_t> shard = bytes_.ShardOf(fd);
  const std::optional<uint64_t> at = shard ? bytes_.Find(*shard, offset_bytes) : std::nullopt;
  if (!at) return ReadCalls::Read(fd, memory, offset_bytes);
  const int64_t size = with_bytes_ ? ReadCalls::Read(bytes_.bytes().fd(), memory, *at)
                                   : static_cast<int64_t>(memory.size());
  if (pace_ && size > 0) pace_(static_cast<uint64_t>(size));
  return size;
}

}  // namespace ecf8
