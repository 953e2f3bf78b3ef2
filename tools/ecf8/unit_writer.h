// Writes fetched units into a directory, one at a time.
//
// Decoded: `<unit>.safetensors` with the unit's tensors under their names, dtypes and shapes. A
// part of a tensor that is split over units is stored as U8 of one dimension, and `__metadata__`
// has for it "ecf8.part.<name>": a JSON object with dtype, shape, offset_bytes (of the part in the
// tensor) and size_bytes (of the whole tensor). Stored: `<unit>.ecf8unit`, the bytes at their
// offsets in the stored unit (what was not asked for is a hole), and `<unit>.json`, what is needed
// to decode them; the JSON comes last.
//
// A file is written beside its place under a hidden name and renamed when its unit has arrived
// whole and been checked; one that was there before is replaced. Unit ids have been checked
// (IsValidUnitId) before they become file names.
#ifndef ECF8_TOOLS_ECF8_UNIT_WRITER_H_
#define ECF8_TOOLS_ECF8_UNIT_WRITER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ecf8/v1/weights.pb.h"
#include "loader/base/file.h"

namespace ecf8 {

// A file that gets its name when it is complete; without a Commit it is removed.
class StagedFile {
 public:
  // `name` is a file name in `directory`.
  static absl::StatusOr<StagedFile> Create(const std::string& directory, const std::string& name);

  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;
  StagedFile(const StagedFile&) = delete;
  ~StagedFile();

  absl::Status WriteAt(uint64_t offset_bytes, std::string_view bytes);
  absl::Status Commit();

 private:
  StagedFile(File file, std::string staged, std::string path);

  File file_;
  std::string staged_;  // empty when there is nothing to remove
  std::string path_;
};

class UnitWriter {
 public:
  virtual ~UnitWriter() = default;

  virtual absl::Status Begin(const v1::Unit& unit) = 0;
  virtual absl::Status Data(uint64_t offset_bytes, std::string_view data) = 0;
  virtual absl::Status End() = 0;
};

// `directory` must exist.
std::unique_ptr<UnitWriter> MakeUnitWriter(const std::string& directory, v1::Form form);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_UNIT_WRITER_H_
