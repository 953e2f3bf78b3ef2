// The element types of safetensors.
#ifndef ECF8_LOADER_CHECKPOINT_DTYPE_H_
#define ECF8_LOADER_CHECKPOINT_DTYPE_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ecf8 {

// The values are those of ecf8.manifest.v1.DType and never change.
enum class DType : uint8_t {
  kBool = 1,
  kU8 = 2,
  kI8 = 3,
  kF8E4M3 = 4,
  kF8E5M2 = 5,
  kU16 = 6,
  kI16 = 7,
  kF16 = 8,
  kBF16 = 9,
  kU32 = 10,
  kI32 = 11,
  kF32 = 12,
  kU64 = 13,
  kI64 = 14,
  kF64 = 15,
  kC64 = 16,
  kF8E8M0 = 17,
  kF4 = 18,
  kF6E2M3 = 19,
  kF6E3M2 = 20,
};

// As safetensors spells it: "F8_E4M3". nullopt for a name that v1 does not know.
std::optional<DType> ParseDType(std::string_view name);
std::string_view DTypeName(DType dtype);

// nullopt for a number outside the enum.
std::optional<DType> DTypeFromNumber(int number);

int DTypeBits(DType dtype);

// The size of a tensor, or nullopt where it overflows 2^63 or is no whole number of bytes.
std::optional<uint64_t> TensorSizeBytes(DType dtype, const std::vector<uint64_t>& shape);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_DTYPE_H_
