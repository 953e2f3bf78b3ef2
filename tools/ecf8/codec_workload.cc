#include "tools/ecf8/codec_workload.h"

#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "decoder/chunk_decoder.h"
#include "decoder/chunk_encoder.h"
#include "decoder/status_macros.h"
#include "decoder/table_search.h"
#include "loader/analysis/fp8_grid.h"
#include "loader/analysis/histogram.h"
#include "loader/model/shard_layout.h"
#include "loader/model/weights_writer.h"

namespace ecf8 {
namespace {

// Runs work(i) for every i below `count` on `threads` threads, the caller's among them.
void Spread(size_t count, int threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) {
      work(i);
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) {
    others.emplace_back(run);
  }
  run();
  for (std::thread& thread : others) {
    thread.join();
  }
}

uint64_t Fp8Bytes(const PlannedUnit& unit) {
  uint64_t bytes = 0;
  for (const PlannedPiece& piece : unit.pieces) {
    if (piece.codec_hint != Codec::kRaw) bytes += piece.size_bytes;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<CodecWorkload> CodecWorkload::Load(const BenchModel& model, uint64_t max_bytes) {
  CodecWorkload workload(model);
  const std::vector<PlannedShard>& shards = model.plan().shards;
  uint64_t bytes = 0;
  for (size_t s = 0; s < shards.size() && bytes <= max_bytes; ++s) {
    for (const PlannedUnit& planned : shards[s].units) {
      bytes += Fp8Bytes(planned);
      if (bytes > max_bytes && !workload.weights_.empty()) break;
      ECF8_RETURN_IF_ERROR(workload.LoadUnit(planned, s));
    }
  }
  if (workload.weights_.empty()) {
    return absl::FailedPreconditionError("the model holds no FP8 tensor to measure");
  }
  workload.decoded_.resize(workload.weights_.size());
  return workload;
}

absl::Status CodecWorkload::LoadUnit(const PlannedUnit& planned, size_t shard) {
  UnitWork& unit = units_.emplace_back();
  unit.planned = &planned;
  unit.shard = shard;
  for (const PlannedPiece& piece : planned.pieces) {
    if (piece.codec_hint == Codec::kRaw) continue;
    const size_t begin = weights_.size();
    weights_.resize(begin + piece.size_bytes);
    ECF8_RETURN_IF_ERROR(model_->Read(piece, absl::MakeSpan(weights_).subspan(begin)));
    unit.tensors.push_back({&piece, begin, {}, {}});
  }
  return absl::OkStatus();
}

absl::Span<const uint8_t> CodecWorkload::Weights(const Tensor& tensor) const {
  return absl::MakeConstSpan(weights_).subspan(tensor.begin, tensor.size());
}

std::vector<CodecWorkload::Tensor*> CodecWorkload::AllTensors() {
  std::vector<Tensor*> all;
  for (UnitWork& unit : units_) {
    for (Tensor& tensor : unit.tensors) {
      all.push_back(&tensor);
    }
  }
  return all;
}

double CodecWorkload::LimitBitsPerWeight() const {
  double bits = 0;
  for (const UnitWork& unit : units_) {
    for (const Tensor& tensor : unit.tensors) {
      ByteCounts bytes{};
      CountBytes(Weights(tensor), bytes);
      const Fp8Grid& grid = GridOf(tensor.planned->codec_hint);
      std::vector<uint64_t> exponents(grid.exponent_count(), 0);
      for (size_t byte = 0; byte < bytes.size(); ++byte) {
        exponents[grid.Exponent(static_cast<uint8_t>(byte))] += bytes[byte];
      }
      bits += static_cast<double>(tensor.size()) *
              (1 + grid.mantissa_bits + EntropyBits(absl::MakeConstSpan(exponents)));
    }
  }
  return bits / static_cast<double>(weights_.size());
}

void CodecWorkload::EncodeUnit(UnitWork& unit) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    if (!IsWorthTables(*unit.planned, codec)) continue;
    TableSearch search(codec);
    for (const Tensor& tensor : unit.tensors) {
      if (tensor.planned->codec_hint == codec) search.Add(Weights(tensor));
    }
    (codec == Codec::kE4M3 ? unit.tables.e4m3 : unit.tables.e5m2) =
        std::make_unique<TableSet>(search.Build());
  }
  std::unique_ptr<ChunkEncoder> e4m3;
  std::unique_ptr<ChunkEncoder> e5m2;
  if (unit.tables.e4m3 != nullptr) e4m3 = std::make_unique<ChunkEncoder>(*unit.tables.e4m3);
  if (unit.tables.e5m2 != nullptr) e5m2 = std::make_unique<ChunkEncoder>(*unit.tables.e5m2);
  for (Tensor& tensor : unit.tensors) {
    ChunkEncoder* encoder = (tensor.planned->codec_hint == Codec::kE4M3 ? e4m3 : e5m2).get();
    tensor.chunks.resize(ChunkCount(tensor.size()));
    for (size_t c = 0; c < tensor.chunks.size(); ++c) {
      const absl::Span<const uint8_t> weights =
          Weights(tensor).subspan(c * kChunkWeights, ChunkWeightsAt(tensor.size(), c));
      if (encoder == nullptr) {
        tensor.chunks[c].assign(weights.begin(), weights.end());
      } else {
        encoder->Encode(weights, &tensor.chunks[c]);
      }
    }
  }
}

void CodecWorkload::Encode(int threads) {
  Spread(units_.size(), threads, [this](size_t i) { EncodeUnit(units_[i]); });
}

void CodecWorkload::Decode(int threads) {
  struct Job {
    const Tensor* tensor;
    const TableSet* tables;
    size_t chunk;
  };
  std::vector<Job> jobs;
  for (const UnitWork& unit : units_) {
    for (const Tensor& tensor : unit.tensors) {
      const TableSet* tables = unit.tables.For(tensor.planned->codec_hint);
      for (size_t c = 0; c < tensor.chunks.size(); ++c) jobs.push_back({&tensor, tables, c});
    }
  }
  Spread(jobs.size(), threads, [&](size_t i) {
    const auto& [tensor, tables, c] = jobs[i];
    const size_t size = ChunkWeightsAt(tensor->size(), c);
    const absl::Status status =
        DecodeChunk({tensor->planned->codec_hint, tensor->chunks[c], size}, tables,
                    absl::MakeSpan(decoded_).subspan(tensor->begin + c * kChunkWeights, size));
    assert(status.ok());  // our own encoder's output
    static_cast<void>(status);
  });
}

void CodecWorkload::EncodeZstd(int level, int threads) {
  const std::vector<Tensor*> tensors = AllTensors();
  Spread(tensors.size(), threads, [&](size_t i) {
    Tensor& tensor = *tensors[i];
    tensor.zstd.resize(ZSTD_compressBound(tensor.size()));
    const size_t size = ZSTD_compress(tensor.zstd.data(), tensor.zstd.size(),
                                      Weights(tensor).data(), tensor.size(), level);
    assert(!ZSTD_isError(size));
    tensor.zstd.resize(size);
  });
}

void CodecWorkload::DecodeZstd(int threads) {
  const std::vector<Tensor*> tensors = AllTensors();
  Spread(tensors.size(), threads, [&](size_t i) {
    const Tensor& tensor = *tensors[i];
    ZSTD_decompress(decoded_.data() + tensor.begin, tensor.size(), tensor.zstd.data(),
                    tensor.zstd.size());
  });
}

void CodecWorkload::Copy(int threads) {
  const size_t parts = (weights_.size() + kChunkWeights - 1) / kChunkWeights;
  Spread(parts, threads, [&](size_t i) {
    const size_t begin = i * kChunkWeights;
    std::memcpy(decoded_.data() + begin, weights_.data() + begin,
                std::min<size_t>(kChunkWeights, weights_.size() - begin));
  });
}

absl::StatusOr<Fp8Sizes> CodecWorkload::StoredSizes() const {
  const CompressPlan& plan = model_->plan();
  Fp8Sizes sum;
  for (size_t first = 0, end = 0; first < units_.size(); first = end) {
    const size_t s = units_[first].shard;
    ECF8_ASSIGN_OR_RETURN(const uint64_t header_bytes,
                          ReserveHeaderBytes(plan.shards[s].units, plan.tensors, plan.metadata));
    ShardUnits shard(header_bytes);
    for (end = first; end < units_.size() && units_[end].shard == s; ++end) {
      PlaceUnit(units_[end], shard);
    }
    const Fp8Sizes sizes = SumFp8Sizes(shard.units(), shard.manifest_offset_bytes());
    sum.weights += sizes.weights;
    sum.coded_weights += sizes.coded_weights;
    sum.chunk_bytes += sizes.chunk_bytes;
    sum.tables_bytes += sizes.tables_bytes;
    sum.padding_bytes += sizes.padding_bytes;
    sum.manifest_bytes += sizes.manifest_bytes;
  }
  return sum;
}

void CodecWorkload::PlaceUnit(const UnitWork& unit, ShardUnits& shard) const {
  constexpr uint64_t kAnyChecksum = 1;  // has the size of any other
  shard.BeginUnit(unit.planned->id, unit.tables);
  for (size_t p = 0; p < unit.planned->pieces.size(); ++p) {
    const PlannedPiece& planned = unit.planned->pieces[p];
    shard.BeginPiece(NewPiece(model_->plan(), planned, unit.tables));
    for (size_t c = 0; c < ChunkCount(planned.size_bytes); ++c) {
      const size_t size = p < unit.tensors.size() ? unit.tensors[p].chunks[c].size()
                                                  : ChunkWeightsAt(planned.size_bytes, c);
      shard.AddChunk(static_cast<uint32_t>(size), kAnyChecksum);
    }
    shard.EndPiece(kAnyChecksum);
  }
  shard.EndUnit();
}

uint64_t CodecWorkload::zstd_bytes() const {
  uint64_t bytes = 0;
  for (const UnitWork& unit : units_) {
    for (const Tensor& tensor : unit.tensors) {
      bytes += tensor.zstd.size();
    }
  }
  return bytes;
}

bool CodecWorkload::CheckDecoded() {
  const bool equal = decoded_ == weights_;
  std::fill(decoded_.begin(), decoded_.end(), uint8_t{0});
  return equal;
}

}  // namespace ecf8
