// The header of a .safetensors file: 8 bytes of length N (little-endian), N bytes of JSON, then
// data. Format: https://github.com/huggingface/safetensors#format. Input is untrusted.
#ifndef ECF8_LOADER_CHECKPOINT_SAFETENSORS_H_
#define ECF8_LOADER_CHECKPOINT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/file.h"
#include "loader/checkpoint/dtype.h"

namespace ecf8 {

// The reference implementation refuses larger headers, and so do we.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
// PyTorch's own limit: a bound on what a hostile header makes us hold.
inline constexpr size_t kMaxSafetensorsRank = 64;

struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;  // offsets in the data, in bytes: [begin, end)
  uint64_t end = 0;

  uint64_t size_bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;       // in data order; empty tensors keep their place
  std::map<std::string, std::string> metadata;  // `__metadata__`
  bool has_metadata = false;
  std::string json;  // the N bytes, verbatim

  uint64_t data_offset() const { return 8 + json.size(); }  // of the data in the file
};

// Checks everything that the reference implementation checks, and more: known dtypes, sizes that
// equal shape times dtype, offsets in bounds, no overlap and no hole, every byte of data owned, no
// name or key twice, no unknown key in a tensor's entry, no nesting deeper than the format has.
// Legal are tensors without elements, scalars (shape []), no tensors at all, and white space at the
// end. INVALID_ARGUMENT names the tensor.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string json,
                                                         uint64_t data_size_bytes);

// Reads the header of `file`; errors name the file.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const File& file);

// The JSON for tensors in the given order, as safetensors' writers lay it out, not padded.
// `begin` and `end` are written as they are.
std::string WriteSafetensorsJson(const std::vector<SafetensorsTensor>& tensors,
                                 const std::map<std::string, std::string>* metadata);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_SAFETENSORS_H_
