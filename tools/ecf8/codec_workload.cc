#include "tools/ecf8/codec_workload.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>

#include "decoder/chunk_decoder.h"
#include "decoder/chunk_encoder.h"
#include "decoder/status_macros.h"
#include "decoder/table_search.h"
#include "loader/checkpoint/source_model.h"
#include "loader/checkpoint/unit_plan.h"

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

double EntropyBits(absl::Span<const uint64_t> counts) {
  double total = 0;
  for (const uint64_t count : counts) {
    total += static_cast<double>(count);
  }
  double bits = 0;
  for (const uint64_t count : counts) {
    if (count > 0) {
      const double p = static_cast<double>(count) / total;
      bits -= p * std::log2(p);
    }
  }
  return bits;
}

}  // namespace

absl::StatusOr<CodecWorkload> CodecWorkload::Load(const std::string& path, uint64_t max_bytes) {
  ECF8_ASSIGN_OR_RETURN(const SourceModel model, OpenSourceModel(path));
  std::vector<TensorRef> refs;
  std::vector<PlanTensor> tensors;
  for (uint32_t s = 0; s < model.shards.size(); ++s) {
    for (uint32_t t = 0; t < model.shards[s].header.tensors.size(); ++t) {
      const SafetensorsTensor& tensor = model.shards[s].header.tensors[t];
      refs.push_back({s, t});
      tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.size_bytes()});
    }
  }
  CodecWorkload workload;
  for (const PlannedShard& shard : PlanUnits(tensors, UINT64_MAX)) {
    for (const PlannedUnit& planned : shard.units) {
      UnitWork unit;
      for (const PlannedPiece& piece : planned.pieces) {
        if (piece.codec_hint == Codec::kRaw || piece.size_bytes == 0 ||
            workload.weight_count_ + piece.size_bytes > max_bytes) {
          continue;
        }
        const TensorRef ref = refs[piece.tensor];
        const SourceShard& source = model.shards[ref.shard];
        const size_t begin = workload.weights_.size();
        workload.weights_.resize(begin + piece.size_bytes);
        ECF8_RETURN_IF_ERROR(source.file.ReadAt(
            source.header.data_offset() + model.tensor(ref).begin + piece.tensor_offset_bytes,
            absl::MakeSpan(workload.weights_).subspan(begin)));
        workload.weight_count_ += piece.size_bytes;
        unit.tensors.push_back({piece.codec_hint, begin, piece.size_bytes, {}, {}});
      }
      if (!unit.tensors.empty()) {
        workload.units_.push_back(std::move(unit));
      }
    }
  }
  if (workload.weight_count_ == 0) {
    return absl::FailedPreconditionError(path + ": holds no FP8 tensor to measure");
  }
  workload.decoded_.resize(workload.weights_.size());
  return workload;
}

absl::Span<const uint8_t> CodecWorkload::Weights(const Tensor& tensor) const {
  return absl::MakeConstSpan(weights_).subspan(tensor.begin, tensor.size);
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
      const int mantissa_bits = tensor.codec == Codec::kE4M3 ? 3 : 2;
      std::array<uint64_t, 32> counts{};
      for (const uint8_t weight : Weights(tensor)) {
        ++counts[(weight & 0x7f) >> mantissa_bits];
      }
      bits += static_cast<double>(tensor.size) * (1 + mantissa_bits + EntropyBits(counts));
    }
  }
  return bits / static_cast<double>(weight_count_);
}

void CodecWorkload::EncodeUnit(UnitWork& unit) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    TableSearch search(codec);
    bool any = false;
    for (const Tensor& tensor : unit.tensors) {
      if (tensor.codec == codec) {
        search.Add(Weights(tensor));
        any = true;
      }
    }
    if (!any) {
      continue;
    }
    std::unique_ptr<TableSet>& tables = codec == Codec::kE4M3 ? unit.e4m3 : unit.e5m2;
    tables = std::make_unique<TableSet>(search.Build());
    ChunkEncoder encoder(*tables);
    for (Tensor& tensor : unit.tensors) {
      if (tensor.codec != codec) {
        continue;
      }
      tensor.chunks.resize(ChunkCount(tensor.size));
      for (size_t c = 0; c < tensor.chunks.size(); ++c) {
        encoder.Encode(Weights(tensor).subspan(c * kChunkWeights, ChunkWeightsAt(tensor.size, c)),
                       &tensor.chunks[c]);
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
      const TableSet* tables = (tensor.codec == Codec::kE4M3 ? unit.e4m3 : unit.e5m2).get();
      for (size_t c = 0; c < tensor.chunks.size(); ++c) {
        jobs.push_back({&tensor, tables, c});
      }
    }
  }
  Spread(jobs.size(), threads, [&](size_t i) {
    const auto& [tensor, tables, c] = jobs[i];
    const size_t size = ChunkWeightsAt(tensor->size, c);
    const absl::Status status =
        DecodeChunk({tensor->codec, tensor->chunks[c], size}, tables,
                    absl::MakeSpan(decoded_).subspan(tensor->begin + c * kChunkWeights, size));
    assert(status.ok());  // our own encoder's output
    static_cast<void>(status);
  });
}

void CodecWorkload::EncodeZstd(int level, int threads) {
  const std::vector<Tensor*> tensors = AllTensors();
  Spread(tensors.size(), threads, [&](size_t i) {
    Tensor& tensor = *tensors[i];
    tensor.zstd.resize(ZSTD_compressBound(tensor.size));
    const size_t size = ZSTD_compress(tensor.zstd.data(), tensor.zstd.size(),
                                      Weights(tensor).data(), tensor.size, level);
    assert(!ZSTD_isError(size));
    tensor.zstd.resize(size);
  });
}

void CodecWorkload::DecodeZstd(int threads) {
  const std::vector<Tensor*> tensors = AllTensors();
  Spread(tensors.size(), threads, [&](size_t i) {
    const Tensor& tensor = *tensors[i];
    ZSTD_decompress(decoded_.data() + tensor.begin, tensor.size, tensor.zstd.data(),
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

uint64_t CodecWorkload::stored_bytes() const {
  uint64_t bytes = 0;
  for (const UnitWork& unit : units_) {
    for (const TableSet* tables : {unit.e4m3.get(), unit.e5m2.get()}) {
      bytes += tables == nullptr ? 0 : TableSet::SerializedSize(tables->codec(), tables->size());
    }
    for (const Tensor& tensor : unit.tensors) {
      for (const std::vector<uint8_t>& chunk : tensor.chunks) {
        bytes += chunk.size();
      }
    }
  }
  return bytes;
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
