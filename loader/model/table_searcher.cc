#include "loader/model/table_searcher.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "decoder/table_search.h"
#include "loader/base/ordered_pipeline.h"
#include "loader/base/thread.h"

namespace ecf8 {
namespace {

// How often a wait looks for ^C, of which nothing tells it.
constexpr auto kCancelPoll = std::chrono::milliseconds(50);

absl::StatusOr<std::unique_ptr<TableSet>> SearchTables(const CompressPlan& plan,
                                                       const PlannedUnit& unit, Codec codec,
                                                       const std::atomic<bool>* cancel) {
  TableSearch search(codec);
  std::vector<uint8_t> weights(kChunkWeights);
  for (const PlannedPiece& piece : unit.pieces) {
    if (piece.codec_hint != codec) continue;
    for (uint64_t offset = 0; offset < piece.size_bytes; offset += kChunkWeights) {
      if (cancel != nullptr && cancel->load()) return absl::CancelledError("cancelled");
      const auto chunk = absl::MakeSpan(weights).first(
          std::min<uint64_t>(kChunkWeights, piece.size_bytes - offset));
      ECF8_RETURN_IF_ERROR(plan.ReadPiece(piece, offset, chunk));
      search.Add(chunk);
    }
  }
  return std::make_unique<TableSet>(search.Build());
}

}  // namespace

TableSearcher::TableSearcher(const CompressPlan& plan, const std::vector<const PlannedUnit*>& units,
                             int threads, const std::atomic<bool>* cancel)
    : plan_(plan), units_(units), threads_(threads), cancel_(cancel), tables_(units.size()) {
  for (size_t i = 0; i < units.size(); ++i) {
    if (IsWorthTables(*units[i], Codec::kE4M3) || IsWorthTables(*units[i], Codec::kE5M2)) {
      searched_.push_back(i);
    } else {
      tables_[i] = std::make_shared<UnitTables>();
    }
  }
}

TableSearcher::~TableSearcher() {
  Stop(absl::CancelledError("the search ends"));
  if (thread_.joinable()) thread_.join();
}

absl::Status TableSearcher::Start() {
  if (searched_.empty()) return absl::OkStatus();
  ECF8_ASSIGN_OR_RETURN(thread_, StartThread("cannot start a thread", [this] {
                          OrderedJob job;
                          job.item_count = searched_.size();
                          job.threads = threads_;
                          // At least two: the encoder releases a unit only when it begins with the
                          // next.
                          job.max_in_flight = static_cast<size_t>(threads_) + 1;
                          job.cancel = cancel_;
                          job.work = [this](size_t i, int) {
                            absl::Status status = Search(searched_[i]);
                            // At once: the encoder may be waiting for it and would release nothing
                            // until it knows.
                            if (!status.ok()) Stop(status);
                            return status;
                          };
                          job.consume = [this](size_t i) {
                            return WaitUntilReleased(searched_[i]);
                          };
                          const absl::Status status = RunOrdered(job);
                          if (!status.ok()) Stop(status);
                        }));
  return absl::OkStatus();
}

absl::Status TableSearcher::Search(size_t unit) {
  auto tables = std::make_shared<UnitTables>();
  if (IsWorthTables(*units_[unit], Codec::kE4M3)) {
    ECF8_ASSIGN_OR_RETURN(tables->e4m3, SearchTables(plan_, *units_[unit], Codec::kE4M3, cancel_));
  }
  if (IsWorthTables(*units_[unit], Codec::kE5M2)) {
    ECF8_ASSIGN_OR_RETURN(tables->e5m2, SearchTables(plan_, *units_[unit], Codec::kE5M2, cancel_));
  }
  MutexLock lock(mutex_);
  if (!stopped_.ok()) return stopped_;
  tables_[unit] = std::move(tables);
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::Status TableSearcher::WaitUntilReleased(size_t unit) {
  MutexLock lock(mutex_);
  while (stopped_.ok() && released_ <= unit) {
    if (IsCancelled()) return absl::CancelledError("cancelled");
    changed_.WaitUntil(lock, std::chrono::steady_clock::now() + kCancelPoll);
  }
  return stopped_;
}

absl::StatusOr<std::shared_ptr<const UnitTables>> TableSearcher::WaitFor(size_t unit) {
  MutexLock lock(mutex_);
  while (tables_[unit] == nullptr && stopped_.ok()) {
    if (IsCancelled()) return absl::CancelledError("cancelled");
    changed_.WaitUntil(lock, std::chrono::steady_clock::now() + kCancelPoll);
  }
  if (tables_[unit] != nullptr) return tables_[unit];
  return stopped_;
}

void TableSearcher::ReleaseBefore(size_t unit) {
  MutexLock lock(mutex_);
  while (released_ < unit) tables_[released_++] = nullptr;
  changed_.NotifyAll();
}

void TableSearcher::Stop(const absl::Status& reason) {
  MutexLock lock(mutex_);
  if (stopped_.ok()) stopped_ = reason;
  changed_.NotifyAll();
}

}  // namespace ecf8
