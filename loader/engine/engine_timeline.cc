#include "loader/engine/engine_timeline.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

enum Group : uint32_t { kRequests = 1, kRead, kDecoded, kInSlots, kDisk, kCopies, kDecoder };

struct FormGroup {
  Group group;
  const char* name;
};
constexpr std::array<FormGroup, 3> kFormGroups = {{{kRead, "units, compressed"},
                                                   {kDecoded, "units, decoded"},
                                                   {kInSlots, "units, compressed in slots"}}};

const char* PriorityName(Priority priority) {
  switch (priority) {
    case Priority::kDemand:
      return "demand";
    case Priority::kHinted:
      return "hint";
    case Priority::kPreload:
      return "preload";
  }
  return "";
}

const char* StageName(JobStage stage) {
  switch (stage) {
    case JobStage::kVerify:
      return "verify";
    case JobStage::kCopy:
      return "copy";
    case JobStage::kDecode:
      return "decode";
  }
  return "";
}

const char* TierName(Tier tier) {
  switch (tier) {
    case Tier::kHost:
      return "host";
    case Tier::kDevice:
      return "device";
    case Tier::kSlots:
    case Tier::kStoredSlots:
      return "slots";
  }
  return "";
}

const char* FormName(UnitForm form) {
  switch (form) {
    case UnitForm::kStored:
      return "stored";
    case UnitForm::kDecoded:
      return "decoded";
    case UnitForm::kStoredInSlot:
      return "stored, in a slot";
  }
  return "";
}

}  // namespace

int64_t EngineTimeline::SteadyNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

absl::StatusOr<std::unique_ptr<EngineTimeline>> EngineTimeline::Create(const std::string& path,
                                                                       uint64_t limit_bytes,
                                                                       Clock clock) {
  ECF8_ASSIGN_OR_RETURN(auto file, TraceEventFile::Create(path, limit_bytes));
  return std::unique_ptr<EngineTimeline>(new EngineTimeline(std::move(file), std::move(clock)));
}

uint32_t EngineTimeline::Lanes::Take() {
  if (free_.empty()) return count_++;
  const uint32_t lane = *free_.begin();
  free_.erase(free_.begin());
  return lane;
}

void EngineTimeline::OnEvent(const EngineEvent& event) {
  using Kind = EngineEvent::Kind;
  const int64_t now_ns = clock_();
  switch (event.kind) {
    case Kind::kAccess:
      Name({kRequests, 0}, "requests", "asked for");
      return file_->AddInstant({kRequests, 0}, event.unit->id, now_ns,
                               {{"form", FormName(event.form)},
                                {"priority", PriorityName(event.priority)},
                                {"model", event.model->name()}});
    case Kind::kWaiting:
      Begin(event, now_ns);
      return;
    case Kind::kStarted:
      Begin(event, now_ns).started_ns = now_ns;
      return;
    case Kind::kReadBegun:
      return BeginRead(event, now_ns);
    case Kind::kReadDone:
      return EndRead(event, now_ns);
    case Kind::kJobDone:
      return AddJob(event);
    case Kind::kReady:
    case Kind::kGivenUp:
      return End(event, now_ns);
    case Kind::kEvicted:
      Name({kRequests, 1}, "requests", "given up for others");
      return file_->AddInstant({kRequests, 1}, event.unit->id, now_ns,
                               {{"tier", TierName(event.tier)}, {"size_bytes", event.size_bytes}});
  }
}

// A unit that is read because it is to be decoded has not waited itself.
EngineTimeline::Flight& EngineTimeline::Begin(const EngineEvent& event, int64_t now_ns) {
  const auto [found, is_new] = flights_.try_emplace({event.key, event.form});
  Flight& flight = found->second;
  flight.priority = event.priority;
  if (!is_new) return flight;
  flight.lane = LanesOf(event.form).Take();
  flight.queue = event.queue;
  flight.begin_ns = now_ns;
  return flight;
}

void EngineTimeline::BeginRead(const EngineEvent& event, int64_t now_ns) {
  reads_[event.operation] = {read_lanes_.Take(), event.queue, now_ns};
  const auto flight = flights_.find({event.key, event.form});
  if (flight == flights_.end()) return;
  if (!flight->second.worked_ns) flight->second.worked_ns = now_ns;
}

void EngineTimeline::EndRead(const EngineEvent& event, int64_t now_ns) {
  const auto found = reads_.find(event.operation);
  if (found == reads_.end()) return;
  const Read read = found->second;
  reads_.erase(found);
  read_lanes_.Give(read.lane);
  Name({kDisk, read.lane}, "disk", absl::StrCat("read ", read.lane));
  file_->AddSpan({kDisk, read.lane}, event.unit->id, read.begin_ns, now_ns,
                 {{"stage", "read"},
                  {"size_bytes", event.size_bytes},
                  {"priority", PriorityName(event.priority)},
                  {"queue", read.queue}});
  const auto flight = flights_.find({event.key, event.form});
  if (flight != flights_.end()) flight->second.arrived_ns = now_ns;
}

void EngineTimeline::AddJob(const EngineEvent& event) {
  const DeviceJobDone& job = *event.job;
  for (const JobSpan& span : job.spans) {
    const bool copy = span.stage == JobStage::kCopy;
    const TraceTrack track = {copy ? kCopies : kDecoder, job.lane};
    Name(track, copy ? "copies" : "decoder", absl::StrCat(copy ? "copy " : "thread ", job.lane));
    const std::string name = absl::StrCat(StageName(span.stage), " ", event.unit->id);
    file_->AddSpan(track, name, span.begin_ns, span.end_ns,
                   {{"stage", StageName(span.stage)},
                    {"unit", event.unit->id},
                    {"job_bytes", event.size_bytes},
                    {"priority", PriorityName(event.priority)}});
  }
  const auto flight = flights_.find({event.key, event.form});
  if (flight == flights_.end() || event.form == UnitForm::kStored || job.spans.empty()) return;
  if (!flight->second.worked_ns) {
    flight->second.worked_ns = std::max(job.spans.front().begin_ns, flight->second.begin_ns);
  }
}

// A form that is given up after it was ready has ended already.
void EngineTimeline::End(const EngineEvent& event, int64_t now_ns) {
  const auto found = flights_.find({event.key, event.form});
  if (found == flights_.end()) return;
  const Flight flight = found->second;
  flights_.erase(found);
  LanesOf(event.form).Give(flight.lane);
  const FormGroup& group = kFormGroups[static_cast<size_t>(event.form)];
  const TraceTrack track = {group.group, flight.lane};
  Name(track, group.name, absl::StrCat("unit ", flight.lane));
  file_->AddSpan(track, event.unit->id, flight.begin_ns, now_ns,
                 {{"size_bytes", event.size_bytes},
                  {"priority", PriorityName(flight.priority)},
                  {"queue", flight.queue},
                  {"model", event.model->name()},
                  {"end", event.kind == EngineEvent::Kind::kReady ? "ready" : "given up"}});
  // The stages of its way, each up to the next.
  int64_t begin_ns = flight.begin_ns;
  const auto stage = [&](const char* name, const std::optional<int64_t>& end) {
    const int64_t end_ns = std::clamp(end.value_or(now_ns), begin_ns, now_ns);
    if (end_ns > begin_ns) file_->AddSpan(track, name, begin_ns, end_ns, {});
    begin_ns = end_ns;
  };
  stage("wait for memory", flight.started_ns);
  if (event.form != UnitForm::kStored) {
    stage("wait for bytes", flight.worked_ns);
    stage(event.form == UnitForm::kDecoded ? "decode" : "copy", now_ns);
  } else {
    stage("wait for the disk", flight.worked_ns);
    stage("read", flight.arrived_ns);
    stage("wait for the decoder", now_ns);
  }
}

void EngineTimeline::Name(TraceTrack track, const char* group, const std::string& track_name) {
  if (named_.emplace(track.group, track.number).second) file_->NameTrack(track, group, track_name);
}

}  // namespace ecf8
