#include "loader/analysis/analyze.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/analysis/tensor_kind.h"
#include "loader/analysis/unit_analyzer.h"
#include "loader/base/ordered_pipeline.h"
#include "loader/checkpoint/unit_names.h"
#include "loader/model/job.h"
#include "loader/model/manifest.h"
#include "loader/model/progress_meter.h"

namespace ecf8 {
namespace {

using Role = TensorAnalysis::Role;

// Weights that are encoded to estimate sizes: of a model, where units are shared in by their size,
// and of a unit at least. So small models are estimated exactly, and large ones from what one
// unit's tables are searched in.
constexpr double kModelSample = 64 << 20;
constexpr uint64_t kUnitSample = 4 << 20;

Codec CodecOf(DType dtype) {
  if (dtype == DType::kF8E4M3) return Codec::kE4M3;
  return dtype == DType::kF8E5M2 ? Codec::kE5M2 : Codec::kRaw;
}

bool IsCastable(const SourceTensor& tensor, const UnitKey& key) {
  return IsWideFloat(tensor.dtype) && tensor.shape.size() >= 2 &&
         key.kind != UnitKey::Kind::kEmbed && key.kind != UnitKey::Kind::kHead;
}

std::vector<TensorAnalysis> ChooseRoles(const WeightSource& source) {
  std::vector<NamedSize> names;
  for (const SourceTensor& tensor : source.tensors()) {
    names.push_back({tensor.name, tensor.size_bytes});
  }
  const std::vector<UnitKey> keys = AssignUnits(names);
  const bool has_fp8 = std::any_of(source.tensors().begin(), source.tensors().end(),
                                   [](const SourceTensor& t) { return IsFp8(t.dtype); });
  std::vector<TensorAnalysis> tensors(names.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorAnalysis& analysis = tensors[i];
    analysis.tensor = source.tensors()[i];
    analysis.kind = TensorKind(analysis.tensor.name, keys[i]);
    if (keys[i].kind == UnitKey::Kind::kLayer) analysis.layer = keys[i].layer;
    if (has_fp8 && IsFp8(analysis.tensor.dtype)) {
      analysis.role = Role::kFp8;
      analysis.codec = CodecOf(analysis.tensor.dtype);
    } else if (!has_fp8 && IsCastable(analysis.tensor, keys[i])) {
      analysis.role = Role::kCast;
      analysis.codec = Codec::kE4M3;
    }
  }
  return tensors;
}

// Puts the units' results together, in order.
class Collector {
 public:
  Collector(const WeightSource& source, ModelAnalysis& model) : source_(source), model_(model) {
    open_.resize(model.tensors.size());
  }

  void Add(size_t unit, const UnitAnalysis& result) {
    const std::vector<SourcePiece>& pieces = source_.units()[unit].pieces;
    model_.tables_bytes += result.tables_bytes;
    model_.stored_bytes += source_.units()[unit].tables_bytes;
    for (const SourcePiece& piece : pieces) {
      model_.raw_bytes += piece.size_bytes;
      model_.stored_bytes += piece.stored_bytes;
      TensorAnalysis& tensor = model_.tensors[piece.tensor];
      tensor.stored_bytes += piece.stored_bytes;
      if (tensor.role != Role::kRaw) continue;
      tensor.estimated_bytes += piece.size_bytes;
      model_.unanalyzed_bytes += piece.size_bytes;
    }
    for (size_t i = 0; i < result.pieces.size(); ++i) {
      AddPiece(pieces[result.pieces[i]], result.analyses[i]);
    }
  }

 private:
  // A tensor of which not all pieces have come yet.
  struct Open {
    uint64_t size_bytes = 0;
    PieceAnalysis sum;
  };

  void AddPiece(const SourcePiece& piece, const PieceAnalysis& analysis) {
    std::unique_ptr<Open>& open = open_[piece.tensor];
    if (open == nullptr) open = std::make_unique<Open>();
    for (size_t i = 0; i < analysis.bytes.size(); ++i) {
      open->sum.bytes[i] += analysis.bytes[i];
      open->sum.own_exponents[i] += analysis.own_exponents[i];
    }
    TensorAnalysis& tensor = model_.tensors[piece.tensor];
    tensor.estimated_bytes += analysis.estimated_bytes;
    open->size_bytes += piece.size_bytes;
    if (open->size_bytes < tensor.tensor.size_bytes) return;
    tensor.statistics = ComputeStatistics(tensor.codec, open->sum.bytes);
    tensor.own_exponent_entropy = EntropyBits(open->sum.own_exponents);
    open = nullptr;
  }

  const WeightSource& source_;
  ModelAnalysis& model_;
  std::vector<std::unique_ptr<Open>> open_;  // by tensor
};

// Of the directory that compress would write: headers, manifests, padding. Only what grows with the
// model is counted, at its typical size; all of it together is a few thousandths of a percent.
uint64_t EstimateContainerBytes(const ModelAnalysis& model, const WeightSource& source) {
  constexpr uint64_t kHeaderEntry = 90;    // of a tensor in the JSON, without its name
  constexpr uint64_t kManifestPiece = 40;  // without its tensor's name
  constexpr uint64_t kManifestChunk = 11;  // size and checksum
  constexpr uint64_t kManifestUnit = 120;  // with its entries in the header, and its id
  uint64_t bytes = source.units().size() * (kManifestUnit + kUnitAlignmentBytes / 2);
  for (const TensorAnalysis& tensor : model.tensors) {
    bytes += kHeaderEntry + tensor.tensor.name.size();
  }
  for (const SourceUnit& unit : source.units()) {
    for (const SourcePiece& piece : unit.pieces) {
      bytes += kManifestPiece + source.tensors()[piece.tensor].name.size() +
               kManifestChunk * ChunkCount(piece.size_bytes);
    }
  }
  return bytes;
}

}  // namespace

bool ModelAnalysis::is_cast() const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const TensorAnalysis& tensor) { return tensor.role == Role::kCast; });
}

absl::StatusOr<ModelAnalysis> AnalyzeModel(const std::string& path, const JobOptions& options) {
  ECF8_ASSIGN_OR_RETURN(const std::unique_ptr<WeightSource> source, WeightSource::Open(path));
  ModelAnalysis model;
  model.is_compressed = source->is_compressed();
  model.unit_count = static_cast<uint32_t>(source->units().size());
  model.tensors = ChooseRoles(*source);

  uint64_t total_bytes = 0;
  for (const SourceTensor& tensor : source->tensors()) total_bytes += tensor.size_bytes;
  const double sampled_share =
      kModelSample / static_cast<double>(std::max<uint64_t>(total_bytes, 1));
  ProgressMeter meter(options.progress, total_bytes);
  Collector collector(*source, model);
  OrderedJob job;
  job.item_count = source->units().size();
  job.threads = ThreadCount(options.threads);
  job.max_in_flight = static_cast<size_t>(job.threads) * 2;
  job.cancel = options.cancel;
  std::vector<UnitAnalysis> slots(job.max_in_flight);
  job.work = [&](size_t unit, int) -> absl::Status {
    uint64_t unit_bytes = 0;
    for (const SourcePiece& piece : source->units()[unit].pieces) unit_bytes += piece.size_bytes;
    const auto share = static_cast<uint64_t>(sampled_share * static_cast<double>(unit_bytes));
    ECF8_ASSIGN_OR_RETURN(
        slots[unit % slots.size()],
        AnalyzeUnit(*source, unit, model.tensors, std::max(share, kUnitSample), options.cancel));
    return absl::OkStatus();
  };
  job.consume = [&](size_t unit) {
    collector.Add(unit, slots[unit % slots.size()]);
    for (const SourcePiece& piece : source->units()[unit].pieces) meter.Add(piece.size_bytes);
    return absl::OkStatus();
  };
  ECF8_RETURN_IF_ERROR(RunOrdered(job));
  meter.Finish();

  model.estimated_bytes = model.tables_bytes;
  for (const TensorAnalysis& tensor : model.tensors)
    model.estimated_bytes += tensor.estimated_bytes;
  model.directory_bytes = source->directory_bytes();
  model.estimated_directory_bytes =
      model.estimated_bytes + EstimateContainerBytes(model, *source) + source->other_files_bytes();
  return model;
}

}  // namespace ecf8
