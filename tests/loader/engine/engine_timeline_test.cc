#include "loader/engine/engine_timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;
using ::testing::Contains;
using ::testing::ElementsAre;
using Json = nlohmann::json;

// A span as a viewer places it.
struct Span {
  std::string track;
  std::string name;
  double begin_us = 0;
  double end_us = 0;
  Json arguments;
};

// Passes on what a simulated engine does, with the decoder's times moved into virtual time: a stage
// takes a microsecond, the last one up to now.
class InVirtualTime final : public EngineObserver {
 public:
  InVirtualTime(EngineTimeline& timeline, std::function<int64_t()> now_ns)
      : timeline_(timeline), now_ns_(std::move(now_ns)) {}

  void OnEvent(const EngineEvent& event) override {
    if (event.job == nullptr) return timeline_.OnEvent(event);
    DeviceJobDone job;
    job.spans = event.job->spans;
    int64_t end_ns = now_ns_();
    for (auto span = job.spans.rbegin(); span != job.spans.rend(); ++span) {
      span->end_ns = end_ns;
      span->begin_ns = std::max<int64_t>(end_ns -= 1000, 0);
    }
    EngineEvent moved = event;
    moved.job = &job;
    timeline_.OnEvent(moved);
  }

 private:
  EngineTimeline& timeline_;
  const std::function<int64_t()> now_ns_;
};

class EngineTimelineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 4, .projection_rows = 2500});
  }
  static void TearDownTestSuite() { delete expected_; }

  // Runs `scenario` on a simulated engine; its time line's spans and the names of its tracks.
  template <typename Scenario>
  void Draw(SimulationOptions options, const Scenario& scenario) {
    SimulatedEngine* current = nullptr;
    const auto now_ns = [&current] {
      return current == nullptr ? 0 : static_cast<int64_t>(current->time.now_us()) * 1000;
    };
    auto timeline = EngineTimeline::Create(directory_ / "trace.json", 16 << 20, now_ns);
    ASSERT_THAT(timeline, IsOk());
    InVirtualTime moved(**timeline, now_ns);
    options.observers = {&moved};
    SimulatedEngine engine(*expected_, options);
    current = &engine;
    scenario(engine);
    ASSERT_THAT((*timeline)->Close(), IsOk());
    Read(Json::parse(testing::ReadFile(directory_ / "trace.json"), nullptr, false));
  }

  void Read(const Json& events) {
    ASSERT_TRUE(events.is_array());
    std::map<std::pair<int, int>, std::string> names;
    std::map<int, std::string> groups;
    for (const Json& event : events) {
      if (event["name"] == "process_name") groups[event["pid"]] = event["args"]["name"];
      if (event["name"] == "thread_name") {
        names[{event["pid"], event["tid"]}] = event["args"]["name"];
      }
      if (event["ph"] == "i") instants_.push_back(event);
      if (event["ph"] != "X") continue;
      ASSERT_TRUE(groups.count(event["pid"])) << event;
      const double begin_us = event["ts"];
      spans_.push_back({groups[event["pid"]] + "/" + names[{event["pid"], event["tid"]}],
                        event["name"], begin_us, begin_us + event["dur"].get<double>(),
                        event.value("args", Json::object())});
    }
  }

  std::vector<Span> On(const std::string& track) const {
    std::vector<Span> spans;
    for (const Span& span : spans_) {
      if (span.track.rfind(track, 0) == 0) spans.push_back(span);
    }
    return spans;
  }

  static ExpectedModel* expected_;
  testing::TempDir directory_;
  std::vector<Span> spans_;
  std::vector<Json> instants_;
};

ExpectedModel* EngineTimelineTest::expected_ = nullptr;

TEST_F(EngineTimelineTest, OneUnitFromTheRequestToTheLastByte) {
  const uint32_t index = *expected_->model->FindUnit("layers.1");
  Draw({}, [&](SimulatedEngine& engine) {
    const auto held = engine.Acquire({.unit_index = index});
    ASSERT_TRUE(engine.RunUntilIdle());
    engine.Release(held);
    ASSERT_TRUE(engine.RunUntilIdle());
  });
  ASSERT_EQ(instants_.size(), 1u);
  EXPECT_EQ(instants_[0]["name"], "layers.1");
  EXPECT_EQ(instants_[0]["args"]["priority"], "demand");

  uint64_t read_bytes = 0;
  for (const Span& span : On("disk/")) {
    EXPECT_EQ(span.name, "layers.1");
    EXPECT_EQ(span.arguments["stage"], "read");
    EXPECT_LT(span.begin_us, span.end_us);
    read_bytes += span.arguments["size_bytes"].get<uint64_t>();
  }
  EXPECT_EQ(read_bytes, expected_->model->unit(index).stored_size_bytes);

  std::vector<std::string> names;
  for (const Span& span : On("units, decoded/")) names.push_back(span.name);
  EXPECT_THAT(names, ElementsAre("layers.1", "wait for memory", "wait for bytes", "decode"));
  names.clear();
  for (const Span& span : On("units, compressed/")) names.push_back(span.name);
  EXPECT_EQ(names[0], "layers.1");
  EXPECT_THAT(names, Contains("read"));
  EXPECT_THAT(names, Contains("wait for the decoder"));

  std::set<std::string> stages;
  for (const Span& span : On("decoder/thread 0")) stages.insert(span.name);
  EXPECT_EQ(stages, (std::set<std::string>{"verify layers.1", "decode layers.1"}));
}

TEST_F(EngineTimelineTest, SpansOfATrackFollowEachOtherOrNest) {
  // Little memory, so that units wait for it and others go.
  Draw({.host_bytes = 6 << 20, .slot_bytes = 6 << 20}, [&](SimulatedEngine& engine) {
    for (int round = 0; round < 3; ++round) {
      std::vector<std::shared_ptr<HeldUnit>> held;
      for (uint32_t i = 0; i < expected_->model->unit_count(); ++i) {
        held.push_back(engine.Acquire({.unit_index = i,
                                       .form = i % 3 == 2 ? UnitForm::kStored : UnitForm::kDecoded,

                                       .revocable = true}));
      }
      engine.RunUntilIdle(engine.time.now_us() + 1'000'000);  // some wait until others are released
      for (const auto& one : held) engine.Release(one);
      ASSERT_TRUE(engine.RunUntilIdle());
    }
  });
  EXPECT_GT(On("units, decoded/unit 1").size(), 0u);
  EXPECT_GT(On("disk/read 1").size(), 0u);
  bool waited = false;
  std::map<std::string, std::vector<std::pair<double, double>>> open;
  std::vector<Span> spans = spans_;
  std::stable_sort(spans.begin(), spans.end(),
                   [](const Span& a, const Span& b) { return a.begin_us < b.begin_us; });
  for (const Span& span : spans) {
    if (span.track.rfind("decoder/", 0) == 0) continue;  // the fake device has no threads
    waited = waited || (span.name == "wait for memory" && span.end_us > span.begin_us);
    auto& stack = open[span.track];
    while (!stack.empty() && stack.back().second <= span.begin_us) stack.pop_back();
    if (!stack.empty()) {
      EXPECT_LE(span.end_us, stack.back().second) << span.track << " " << span.name;
    }
    stack.emplace_back(span.begin_us, span.end_us);
  }
  EXPECT_TRUE(waited);
  bool gave_way = false;
  for (const Json& instant : instants_) gave_way = gave_way || instant["tid"] == 1;
  EXPECT_TRUE(gave_way);
}

TEST_F(EngineTimelineTest, WhatFailsOrIsNotWantedAnyMoreEndsToo) {
  Draw({}, [&](SimulatedEngine& engine) {
    engine.device().SetFailure(1);
    const auto failed = engine.Acquire({.unit_index = 0});
    ASSERT_TRUE(engine.RunUntilIdle());
    engine.Release(failed);
    engine.device().SetFailure(0);
    const auto left = engine.Acquire({.unit_index = 1});
    engine.Release(left);
    ASSERT_TRUE(engine.RunUntilIdle());
  });
  std::vector<std::string> ends;
  for (const Span& span : On("units, decoded/")) {
    if (span.arguments.contains("end"))
      ends.push_back(span.name + " " + std::string(span.arguments["end"]));
  }
  EXPECT_THAT(ends, ElementsAre("embed given up", "layers.0 given up"));
}

}  // namespace
}  // namespace ecf8
