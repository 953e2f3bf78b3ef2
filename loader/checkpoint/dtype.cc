#include "loader/checkpoint/dtype.h"

#include <array>
#include <cstddef>
#include <limits>

namespace ecf8 {
namespace {

constexpr uint64_t kMaxTensorBytes = std::numeric_limits<int64_t>::max();

struct DTypeRow {
  DType dtype;
  std::string_view name;
  int bits;
};

constexpr std::array<DTypeRow, 20> kRows = {{
    {DType::kBool, "BOOL", 8},      {DType::kU8, "U8", 8},          {DType::kI8, "I8", 8},
    {DType::kF8E4M3, "F8_E4M3", 8}, {DType::kF8E5M2, "F8_E5M2", 8}, {DType::kU16, "U16", 16},
    {DType::kI16, "I16", 16},       {DType::kF16, "F16", 16},       {DType::kBF16, "BF16", 16},
    {DType::kU32, "U32", 32},       {DType::kI32, "I32", 32},       {DType::kF32, "F32", 32},
    {DType::kU64, "U64", 64},       {DType::kI64, "I64", 64},       {DType::kF64, "F64", 64},
    {DType::kC64, "C64", 64},       {DType::kF8E8M0, "F8_E8M0", 8}, {DType::kF4, "F4", 4},
    {DType::kF6E2M3, "F6_E2M3", 6}, {DType::kF6E3M2, "F6_E3M2", 6},
}};

constexpr bool RowsAreInOrderOfNumber() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].dtype) != i + 1) return false;
  }
  return true;
}
static_assert(RowsAreInOrderOfNumber(), "RowOf indexes by number");

const DTypeRow& RowOf(DType dtype) { return kRows[static_cast<size_t>(dtype) - 1]; }

}  // namespace

std::optional<DType> ParseDType(std::string_view name) {
  for (const DTypeRow& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::string_view DTypeName(DType dtype) { return RowOf(dtype).name; }

std::optional<DType> DTypeFromNumber(int number) {
  if (number < 1 || number > static_cast<int>(kRows.size())) return std::nullopt;
  return static_cast<DType>(number);
}

int DTypeBits(DType dtype) { return RowOf(dtype).bits; }

std::optional<uint64_t> TensorSizeBytes(DType dtype, const std::vector<uint64_t>& shape) {
  // A zero anywhere empties the tensor, even where the other dimensions alone would overflow.
  for (const uint64_t dimension : shape) {
    if (dimension == 0) return 0;
  }
  uint64_t elements = 1;
  for (const uint64_t dimension : shape) {
    if (__builtin_mul_overflow(elements, dimension, &elements)) return std::nullopt;
  }
  const auto bits = static_cast<uint64_t>(DTypeBits(dtype));
  if (elements % 8 * bits % 8 != 0) return std::nullopt;
  uint64_t size_bytes = 0;
  if (__builtin_mul_overflow(elements / 8, bits, &size_bytes)) return std::nullopt;
  if (__builtin_add_overflow(size_bytes, elements % 8 * bits / 8, &size_bytes)) {
    return std::nullopt;
  }
  if (size_bytes > kMaxTensorBytes) return std::nullopt;
  return size_bytes;
}

}  // namespace ecf8
