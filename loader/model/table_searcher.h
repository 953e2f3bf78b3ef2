// Finds the code tables of the units of a plan on its own threads, a few units ahead of the
// encoder.
//
// The encoder needs a unit's tables before its first chunk, and they depend on all of its weights.
// So the source is read twice; staying only a few units ahead, the second read is served from
// memory.
#ifndef ECF8_LOADER_MODEL_TABLE_SEARCHER_H_
#define ECF8_LOADER_MODEL_TABLE_SEARCHER_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/model/compress_plan.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// Thread-safe.
class TableSearcher {
 public:
  // Borrows its arguments. `units` are those of the plan, in order.
  TableSearcher(const CompressPlan& plan, const std::vector<const PlannedUnit*>& units, int threads,
                const std::atomic<bool>* cancel);
  TableSearcher(const TableSearcher&) = delete;
  TableSearcher& operator=(const TableSearcher&) = delete;

  // Stops and joins.
  ~TableSearcher();

  // Once, before anything else. RESOURCE_EXHAUSTED where the system has no thread to give.
  absl::Status Start();

  // Waits for the tables of units_[unit]; without tables for a codec of which the unit has too
  // little to gain anything. Returns the error that ended the search, or that Stop was called with.
  absl::StatusOr<std::shared_ptr<const UnitTables>> WaitFor(size_t unit);

  // The encoder has finished with all units before `unit`. Each unit is released in the end, or
  // Stop is called.
  void ReleaseBefore(size_t unit);

  // Ends the search: every WaitFor returns `reason` (an error) or what it already has.
  void Stop(const absl::Status& reason);

 private:
  absl::Status Search(size_t unit);
  absl::Status WaitUntilReleased(size_t unit);
  bool IsCancelled() const { return cancel_ != nullptr && cancel_->load(); }

  const CompressPlan& plan_;
  const std::vector<const PlannedUnit*>& units_;
  const int threads_;
  const std::atomic<bool>* const cancel_;
  std::vector<size_t> searched_;  // the units that have something to search
  std::thread thread_;

  Mutex mutex_;
  CondVar changed_;
  // By unit; null before the search has ended and after the release.
  std::vector<std::shared_ptr<const UnitTables>> tables_ ABSL_GUARDED_BY(mutex_);
  size_t released_ ABSL_GUARDED_BY(mutex_) = 0;   // units before it are
  absl::Status stopped_ ABSL_GUARDED_BY(mutex_);  // not OK: the reason
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_TABLE_SEARCHER_H_
