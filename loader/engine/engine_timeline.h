// Draws what the engine does into a file: docs/OPERATIONS.md shows how to read it.
//
// Groups of tracks, from above: requests; units that are read and units that are decoded, from the
// request to the last byte; reads of the disk; what the decoder's threads do.
#ifndef ECF8_LOADER_ENGINE_ENGINE_TIMELINE_H_
#define ECF8_LOADER_ENGINE_ENGINE_TIMELINE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/trace_event_file.h"
#include "loader/engine/engine_observer.h"

namespace ecf8 {

// Of one engine after the other. Thread-compatible, as one engine's loop calls it.
class EngineTimeline final : public EngineObserver {
 public:
  // On the clock of JobSpan.
  using Clock = std::function<int64_t()>;
  static int64_t SteadyNs();

  // As TraceEventFile::Create.
  static absl::StatusOr<std::unique_ptr<EngineTimeline>> Create(const std::string& path,
                                                                uint64_t limit_bytes,
                                                                Clock clock = &SteadyNs);

  // Of the file, once no engine uses the time line any more.
  absl::Status Close() { return file_->Close(); }
  TraceEventFile::Info info() const { return file_->info(); }

  void OnEvent(const EngineEvent& event) override;

 private:
  // Tracks of a group for what overlaps: the lowest that is free.
  class Lanes {
   public:
    uint32_t Take();
    void Give(uint32_t lane) { free_.insert(lane); }

   private:
    std::set<uint32_t> free_;
    uint32_t count_ = 0;
  };
  // One form of a unit on its way. Of the times, those that have been.
  struct Flight {
    uint32_t lane = 0;
    size_t queue = 0;
    Priority priority = Priority::kDemand;
    int64_t begin_ns = 0;
    std::optional<int64_t> started_ns, worked_ns, arrived_ns;
  };
  struct Read {
    uint32_t lane = 0;
    size_t queue = 0;
    int64_t begin_ns = 0;
  };
  using FlightKey = std::pair<uint64_t, UnitForm>;

  EngineTimeline(std::unique_ptr<TraceEventFile> file, Clock clock)
      : file_(std::move(file)), clock_(std::move(clock)) {}

  Lanes& LanesOf(UnitForm form) { return unit_lanes_[static_cast<size_t>(form)]; }
  Flight& Begin(const EngineEvent& event, int64_t now_ns);
  void BeginRead(const EngineEvent& event, int64_t now_ns);
  void EndRead(const EngineEvent& event, int64_t now_ns);
  void AddJob(const EngineEvent& event);
  void End(const EngineEvent& event, int64_t now_ns);
  void Name(TraceTrack track, const char* group, const std::string& track_name);

  const std::unique_ptr<TraceEventFile> file_;
  const Clock clock_;
  std::map<FlightKey, Flight> flights_;
  std::map<uint64_t, Read> reads_;  // by operation
  Lanes read_lanes_;
  std::array<Lanes, 3> unit_lanes_;  // by form
  std::set<std::pair<uint32_t, uint32_t>> named_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_ENGINE_TIMELINE_H_
