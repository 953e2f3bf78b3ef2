// Where the tensors of a compressed model lay in the files of the original.
#ifndef ECF8_LOADER_MODEL_ORIGINAL_LAYOUT_H_
#define ECF8_LOADER_MODEL_ORIGINAL_LAYOUT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

struct OriginalTensorFile {
  std::string path;
  std::string head;  // the 8 length bytes and the JSON; the tensors follow
  uint64_t size_bytes = 0;
};

struct OriginalPlace {
  uint32_t file = 0;          // in OriginalLayout::files
  uint64_t offset_bytes = 0;  // of the tensor in the file
};

struct OriginalLayout {
  std::vector<OriginalTensorFile> files;
  std::unordered_map<std::string_view, OriginalPlace> places;  // by the names in the model
};

// From the headers that `model` keeps. DATA_LOSS where they are not what was kept, or do not name
// just the tensors of the model with their dtypes and shapes. Borrows the model.
absl::StatusOr<OriginalLayout> ReadOriginalLayout(const CompressedModel& model);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_ORIGINAL_LAYOUT_H_
