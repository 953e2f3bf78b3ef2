#include "tools/ecf8d/metrics/stage_histograms.h"

namespace ecf8 {
namespace {

prometheus::Histogram& AddStage(prometheus::Registry& registry, const char* stage) {
  return prometheus::BuildHistogram()
      .Name("ecf8_stage_seconds")
      .Help("Time of one read, or of one job on the device by what it did, waiting not counted.")
      .Register(registry)
      .Add({{"stage", stage}}, SecondsBuckets());
}

prometheus::Histogram& AddReady(prometheus::Registry& registry, const char* form) {
  return prometheus::BuildHistogram()
      .Name("ecf8_unit_ready_seconds")
      .Help("From the request for a unit that was not in memory until all of it was ready.")
      .Register(registry)
      .Add({{"form", form}}, SecondsBuckets());
}

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void ObserveNs(prometheus::Histogram& histogram, int64_t ns) {
  if (ns > 0) histogram.Observe(static_cast<double>(ns) / 1e9);
}

}  // namespace

const prometheus::Histogram::BucketBoundaries& SecondsBuckets() {
  static const auto* const buckets = new prometheus::Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
      0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
  return *buckets;
}

StageHistograms::StageHistograms(prometheus::Registry& registry)
    : read_(AddStage(registry, "read")),
      verify_(AddStage(registry, "verify")),
      copy_(AddStage(registry, "copy")),
      decode_(AddStage(registry, "decode")),
      memory_wait_(
          prometheus::BuildHistogram()
              .Name("ecf8_memory_wait_seconds")
              .Help("From the request for a unit that was not in memory until it had some.")
              .Register(registry)
              .Add({}, SecondsBuckets())),
      ready_stored_(AddReady(registry, "stored")),
      ready_decoded_(AddReady(registry, "decoded")) {}

void StageHistograms::OnEvent(const EngineEvent& event) {
  const Way way = {event.key, event.form};
  switch (event.kind) {
    case EngineEvent::Kind::kAccess:
    case EngineEvent::Kind::kEvicted:
      break;
    case EngineEvent::Kind::kWaiting:
      asked_at_[way] = Clock::now();
      break;
    case EngineEvent::Kind::kStarted: {
      // What is read only to be decoded was never asked for itself.
      const auto found = asked_at_.find(way);
      if (found != asked_at_.end()) memory_wait_.Observe(Seconds(Clock::now() - found->second));
      break;
    }
    case EngineEvent::Kind::kReadBegun:
      reads_[event.operation] = Clock::now();
      break;
    case EngineEvent::Kind::kReadDone: {
      const auto read = reads_.extract(event.operation);
      if (!read.empty()) read_.Observe(Seconds(Clock::now() - read.mapped()));
      break;
    }
    case EngineEvent::Kind::kJobDone:
      ObserveNs(verify_, event.job->times.verify_ns);
      ObserveNs(copy_, event.job->times.copy_ns);
      ObserveNs(decode_, event.job->times.decode_ns);
      break;
    case EngineEvent::Kind::kReady: {
      const auto found = asked_at_.extract(way);
      if (found.empty()) break;
      prometheus::Histogram& ready =
          event.form == UnitForm::kDecoded ? ready_decoded_ : ready_stored_;
      ready.Observe(Seconds(Clock::now() - found.mapped()));
      break;
    }
    case EngineEvent::Kind::kGivenUp:
      asked_at_.erase(way);
      break;
  }
}

}  // namespace ecf8
