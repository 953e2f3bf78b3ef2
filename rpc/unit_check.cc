#include "rpc/unit_check.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/dtype.h"
#include "loader/checkpoint/unit_names.h"
#include "loader/model/manifest.h"

namespace ecf8 {
namespace {

absl::Status Bad(const std::string& what) {
  return absl::DataLossError("the daemon describes a unit wrongly: " + what);
}

absl::Status BadTensor(const v1::Tensor& tensor, const std::string& what) {
  return Bad("tensor " + Quoted(tensor.name()) + ": " + what);
}

// No larger than the sizes that it is checked against, which are bounded, it cannot overflow.
bool Fits(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}

bool IsKnownCodec(v1::Codec codec) {
  return codec == v1::CODEC_RAW || codec == v1::CODEC_E4M3 || codec == v1::CODEC_E5M2;
}

absl::Status CheckShape(const v1::Tensor& tensor) {
  if (!IsKnownCodec(tensor.codec())) return BadTensor(tensor, "unknown codec");
  const std::optional<DType> dtype = ParseDType(tensor.dtype());
  if (!dtype) return BadTensor(tensor, "unknown dtype " + Quoted(tensor.dtype()));
  const std::vector<uint64_t> shape(tensor.shape().begin(), tensor.shape().end());
  const std::optional<uint64_t> size = TensorSizeBytes(*dtype, shape);
  if (!size) return BadTensor(tensor, "its shape overflows");
  if (!Fits(tensor.tensor_offset_bytes(), tensor.size_bytes(), *size)) {
    return BadTensor(tensor, "more bytes than its shape has");
  }
  return absl::OkStatus();
}

absl::Status CheckChunks(const v1::Tensor& tensor) {
  const auto count = static_cast<uint64_t>(tensor.chunk_stored_size_bytes_size());
  if (count != ChunkCount(tensor.size_bytes()) ||
      count != static_cast<uint64_t>(tensor.chunk_xxh3_size())) {
    return BadTensor(tensor, "the number of its chunks");
  }
  uint64_t sum = 0;
  for (const uint32_t size : tensor.chunk_stored_size_bytes()) {
    if (size == 0 || size > kChunkWeights) return BadTensor(tensor, "the size of a chunk");
    sum += size;
  }
  if (sum != tensor.stored_size_bytes())
    return BadTensor(tensor, "its chunks' sizes do not add up");
  return absl::OkStatus();
}

absl::Status CheckTables(const v1::Unit& unit) {
  if (unit.table_sets_size() > 2) return Bad("more table sets than codecs");
  for (int i = 0; i < unit.table_sets_size(); ++i) {
    const v1::TableSet& set = unit.table_sets(i);
    const bool known = set.codec() == v1::CODEC_E4M3 || set.codec() == v1::CODEC_E5M2;
    const bool twice = i > 0 && set.codec() == unit.table_sets(0).codec();
    if (!known || twice || set.table_count() == 0 || set.table_count() > kMaxTables) {
      return Bad("its code tables");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckUnit(const v1::Unit& unit, v1::Form form) {
  const bool stored = form == v1::FORM_STORED;
  if (!IsValidUnitId(unit.id())) return Bad("its id " + Quoted(unit.id()) + " is none");
  const uint64_t gaps =
      uint64_t{kDecodedAlignmentBytes} * static_cast<uint64_t>(unit.tensors_size());
  const uint64_t most = kMaxUnitDecodedBytes + gaps + (1 << 20);
  if (stored && unit.stored_size_bytes() > most) return Bad("its stored size");
  if (stored) ECF8_RETURN_IF_ERROR(CheckTables(unit));
  // The decoded layout of the whole unit may have more gaps than the selected tensors show; its
  // size only bounds the offsets, and nothing is allocated by it.
  std::unordered_set<std::string_view> names;
  uint64_t decoded_end = 0;
  uint64_t stored_end = stored ? TablesSizeBytes(unit) : 0;
  uint64_t sum = 0;
  for (const v1::Tensor& tensor : unit.tensors()) {
    if (!names.insert(tensor.name()).second) return BadTensor(tensor, "it is there twice");
    ECF8_RETURN_IF_ERROR(CheckShape(tensor));
    sum += tensor.size_bytes();
    if (tensor.size_bytes() > kMaxUnitDecodedBytes || sum > kMaxUnitDecodedBytes) {
      return BadTensor(tensor, "the unit is larger than units may be");
    }
    if (tensor.decoded_offset_bytes() % kDecodedAlignmentBytes != 0 ||
        tensor.decoded_offset_bytes() < decoded_end ||
        !Fits(tensor.decoded_offset_bytes(), tensor.size_bytes(), unit.decoded_size_bytes())) {
      return BadTensor(tensor, "its place in the decoded unit");
    }
    decoded_end = tensor.decoded_offset_bytes() + tensor.size_bytes();
    if (!stored) continue;
    if (tensor.stored_offset_bytes() < stored_end ||
        !Fits(tensor.stored_offset_bytes(), tensor.stored_size_bytes(), unit.stored_size_bytes())) {
      return BadTensor(tensor, "its place in the stored unit");
    }
    stored_end = tensor.stored_offset_bytes() + tensor.stored_size_bytes();
    ECF8_RETURN_IF_ERROR(CheckChunks(tensor));
  }
  return absl::OkStatus();
}

uint64_t UnitSizeBytes(const v1::Unit& unit, v1::Form form) {
  return form == v1::FORM_STORED ? unit.stored_size_bytes() : unit.decoded_size_bytes();
}

uint64_t WholeTensorBytes(const v1::Tensor& tensor) {
  const std::vector<uint64_t> shape(tensor.shape().begin(), tensor.shape().end());
  const std::optional<DType> dtype = ParseDType(tensor.dtype());
  return dtype ? TensorSizeBytes(*dtype, shape).value_or(0) : 0;
}

uint64_t TablesSizeBytes(const v1::Unit& unit) {
  uint64_t size = 0;
  for (const v1::TableSet& set : unit.table_sets()) {
    size += TableSet::SerializedSize(static_cast<Codec>(set.codec()), set.table_count());
  }
  return size;
}

}  // namespace ecf8
