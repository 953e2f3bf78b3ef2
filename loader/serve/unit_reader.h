// A cursor over the bytes that a fetch sends, one message at a time.
//
// For every selected unit: kBegin; kData for its tables (stored form) and for every chunk of the
// wanted pieces, in order of offset; kEnd. After the last unit: kDone. The bytes come from the
// engine's tiers as they get there: kWait where the next have not.
#ifndef ECF8_LOADER_SERVE_UNIT_READER_H_
#define ECF8_LOADER_SERVE_UNIT_READER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/engine/engine.h"
#include "loader/model/compressed_model.h"
#include "loader/serve/selection.h"

namespace ecf8 {

inline constexpr uint64_t kMaxMessageDataBytes = 1 << 20;

struct ReadStep {
  enum class Kind : uint8_t { kBegin, kData, kEnd, kDone, kWait };

  Kind kind = Kind::kDone;
  uint64_t offset_bytes = 0;     // kData: in the unit
  uint64_t xxh3 = 0;             // kData: of the data
  uint64_t data_size_bytes = 0;  // kData: of the data; kEnd: of all data of the unit
};

// What is to be read.
struct ReadOrder {
  std::shared_ptr<const EngineModel> model;  // of the reader's engine
  Selection selection;
  UnitForm form = UnitForm::kDecoded;
};

// Thread-compatible: one thread at a time, any thread.
class UnitReader {
 public:
  // `engine` outlives the reader. `wake` is called, on a thread of the engine's, whenever there is
  // news after a kWait, or even without; as HeldUnit's on_progress, it must be short.
  UnitReader(Engine& engine, ReadOrder order, std::function<void()> wake);

  // The next step. Of kData, `memory`, of kMaxMessageDataBytes, begins with 1 to as many checked
  // bytes. Never blocks. Errors carry an ErrorInfo with unit, tensor, shard and
  // offset; after one, the reader is at its end and holds nothing.
  absl::StatusOr<ReadStep> Next(absl::Span<uint8_t> memory);

  // Gives back all that is held; the reader is at its end.
  void Stop();

  const CompressedModel& model() const { return *order_.model->model(); }
  UnitForm form() const { return order_.form; }
  // The unit of the last kBegin.
  const SelectedUnit& unit() const { return current_; }

 private:
  enum class Stage : uint8_t { kBegin, kParts, kDone };

  absl::StatusOr<ReadStep> Begin();
  absl::StatusOr<ReadStep> Part(absl::Span<uint8_t> memory);
  ReadStep End();
  void AcquireAhead();
  void GiveWay();
  absl::StatusOr<UnitLease> Acquire(uint32_t unit_index, Priority priority);
  bool IsWanted(const UnitPart& part);
  ReadStep Describe(const UnitPart& part, absl::Span<const uint8_t> data) const;

  Engine* engine_;
  ReadOrder order_;
  std::function<void()> wake_;
  uint64_t flow_;  // the engine's

  Stage stage_ = Stage::kBegin;
  size_t next_unit_ = 0;  // of the selection: those before it have begun
  SelectedUnit current_;
  UnitLease lease_;              // of the current unit
  std::deque<UnitLease> ahead_;  // of those after it
  size_t part_ = 0;              // of the current unit, next to be sent
  size_t wanted_piece_ = 0;      // in current_.pieces
  uint64_t sent_bytes_ = 0;      // of the current unit
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_UNIT_READER_H_
