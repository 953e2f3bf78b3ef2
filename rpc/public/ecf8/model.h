// Models as a daemon describes them: units, and the tensors in them.
#ifndef ECF8_MODEL_H_
#define ECF8_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ecf8/export.h"

namespace ecf8 {

// What a unit is served as.
enum class Form : uint8_t {
  kStored = 1,   // as it lies in the model's file: code tables, then chunks (docs/FORMAT.md)
  kDecoded = 2,  // the original weights, every tensor on a multiple of 256 bytes
};

// How a tensor is stored.
enum class StoredAs : uint8_t { kRaw = 0, kE4M3 = 1, kE5M2 = 2 };

struct ModelInfo {
  std::string name;
  std::string digest;               // 16 hex digits that change with any weight
  uint64_t decoded_size_bytes = 0;  // of all tensors
  uint64_t stored_size_bytes = 0;   // of all units
  uint32_t unit_count = 0;
  uint32_t tensor_count = 0;
};

// A tensor of a unit, or the part of one that the unit holds.
struct TensorInfo {
  std::string name;
  std::string dtype;                  // as safetensors spells it: "F8_E4M3"
  std::vector<uint64_t> shape;        // of the whole tensor
  uint64_t tensor_offset_bytes = 0;   // of this part in the whole tensor
  uint64_t size_bytes = 0;            // of this part, decoded
  uint64_t decoded_offset_bytes = 0;  // in the decoded unit; a multiple of 256
  uint64_t stored_offset_bytes = 0;   // in the stored unit
  uint64_t stored_size_bytes = 0;
  uint64_t xxh3 = 0;  // XXH3-64 of this part's decoded bytes
  StoredAs stored_as = StoredAs::kRaw;
  // Of stored units that are fetched, or leased: what it takes to decode them. Else empty.
  std::vector<uint32_t> chunk_stored_size_bytes;
};

struct TableSetCount {
  StoredAs stored_as = StoredAs::kRaw;
  uint32_t table_count = 0;
};

struct UnitInfo {
  uint32_t index = 0;  // dense, from 0, in the order of a walk over the model
  std::string id;      // "layers.17.experts.203"
  uint64_t stored_size_bytes = 0;
  uint64_t decoded_size_bytes = 0;  // gaps between tensors included
  std::vector<TensorInfo> tensors;  // in layout order
  // As chunk_stored_size_bytes: the code tables that a stored unit begins with.
  std::vector<TableSetCount> table_sets;

  // Null where it has none of this name.
  ECF8_EXPORT const TensorInfo* FindTensor(std::string_view name) const;

  uint64_t size_bytes(Form form) const {
    return form == Form::kStored ? stored_size_bytes : decoded_size_bytes;
  }
};

struct ModelDescription {
  ModelInfo model;
  std::vector<UnitInfo> units;  // by index

  // Null where there is none with this id.
  ECF8_EXPORT const UnitInfo* FindUnit(std::string_view id) const;
};

}  // namespace ecf8

#endif  // ECF8_MODEL_H_
