// A cursor over the bytes that a fetch sends, one message at a time.
//
// For every selected unit: kBegin; kData for its tables (stored form) and for every chunk of the
// wanted pieces, in order of offset; kEnd. After the last unit: kDone.
#ifndef ECF8_LOADER_SERVE_UNIT_READER_H_
#define ECF8_LOADER_SERVE_UNIT_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"
#include "loader/serve/selection.h"

namespace ecf8 {

inline constexpr uint64_t kMaxMessageDataBytes = 1 << 20;

enum class UnitForm : uint8_t {
  kStored,   // tables, then chunks, at their offsets in the stored unit
  kDecoded,  // original bytes at their offsets in the decoded layout
};

struct ReadStep {
  enum class Kind : uint8_t { kBegin, kData, kEnd, kDone };

  Kind kind = Kind::kDone;
  uint64_t offset_bytes = 0;     // kData: in the unit
  uint64_t xxh3 = 0;             // kData: of the data
  uint64_t data_size_bytes = 0;  // kEnd: of all data of the unit
};

// Thread-compatible: one thread at a time, any thread.
class UnitReader {
 public:
  UnitReader(std::shared_ptr<const CompressedModel> model, Selection selection, UnitForm form);

  // The next step. Of kData, *data is replaced by 1 to kMaxMessageDataBytes bytes, checked against
  // the chunk's checksum; its capacity is reused. Reads the disk and decodes, so it blocks. Errors
  // carry an ErrorInfo with unit, tensor, shard and offset; after one, the reader is at its end.
  absl::StatusOr<ReadStep> Next(std::string* data);

  const CompressedModel& model() const { return *model_; }
  UnitForm form() const { return form_; }
  // The unit of the last kBegin.
  const SelectedUnit& unit() const { return current_; }

 private:
  enum class Stage : uint8_t { kBegin, kTables, kChunks, kDone };

  absl::StatusOr<ReadStep> Begin();
  absl::StatusOr<ReadStep> Tables(std::string* data);
  absl::StatusOr<ReadStep> Chunk(std::string* data);
  ReadStep End();

  // `status` as an error of the current unit, at `offset_bytes` of its stored bytes.
  absl::Status Failure(const absl::Status& status, const std::string& tensor,
                       uint64_t offset_bytes);

  std::shared_ptr<const CompressedModel> model_;
  Selection selection_;
  UnitForm form_;

  Stage stage_ = Stage::kBegin;
  size_t next_unit_ = 0;
  SelectedUnit current_;
  UnitTables tables_;
  size_t piece_ = 0;                  // in current_.pieces
  uint32_t chunk_ = 0;                // of that piece, next to be sent
  uint64_t chunk_stored_offset_ = 0;  // of that chunk in the stored unit
  uint64_t sent_bytes_ = 0;           // of the unit
  std::vector<uint8_t> scratch_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_UNIT_READER_H_
