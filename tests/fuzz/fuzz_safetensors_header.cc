// The header of a .safetensors file: any bytes give a header that keeps its promises, or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "loader/checkpoint/safetensors.h"

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

bool SameTensors(const ecf8::SafetensorsHeader& a, const ecf8::SafetensorsHeader& b) {
  if (a.tensors.size() != b.tensors.size()) return false;
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    if (a.tensors[i].name != b.tensors[i].name || a.tensors[i].dtype != b.tensors[i].dtype ||
        a.tensors[i].shape != b.tensors[i].shape || a.tensors[i].begin != b.tensors[i].begin ||
        a.tensors[i].end != b.tensors[i].end) {
      return false;
    }
  }
  return true;
}

}  // namespace

// The first two bytes are the size of the data (little-endian), the rest is the JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint64_t data_size_bytes = data[0] | data[1] << 8;
  const std::string json(reinterpret_cast<const char*>(data) + 2, size - 2);
  const absl::StatusOr<ecf8::SafetensorsHeader> header =
      ecf8::ParseSafetensorsHeader(json, data_size_bytes);
  if (!header.ok()) {
    Check(header.status().code() == absl::StatusCode::kInvalidArgument);
    return 0;
  }
  Check(header->json == json);
  uint64_t end = 0;
  for (const ecf8::SafetensorsTensor& tensor : header->tensors) {
    Check(tensor.begin == end && tensor.end >= tensor.begin);
    Check(ecf8::TensorSizeBytes(tensor.dtype, tensor.shape) == tensor.size_bytes());
    end = tensor.end;
  }
  Check(end == data_size_bytes);
  // What we write of it says the same.
  const auto again = ecf8::ParseSafetensorsHeader(
      ecf8::WriteSafetensorsJson(header->tensors,
                                 header->has_metadata ? &header->metadata : nullptr),
      data_size_bytes);
  Check(again.ok() && SameTensors(*header, *again) && header->metadata == again->metadata &&
        header->has_metadata == again->has_metadata);
  return 0;
}
