// Many threads over one stream: whoever waits gets its own answer, in time, whoever reads it.

#include "rpc/session_mux.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "tests/rpc/fake_session_link.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::FakeSessionDaemon;
using ::ecf8::testing::FakeSessionLink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kLong(20);

CallLimits Within(Clock::duration time) { return {.deadline = Clock::now() + time}; }

// A daemon that the test plays itself.
class SessionMuxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    daemon_.SayOpened();
    v1::SessionRequest open;
    open.mutable_open();
    ASSERT_THAT(mux_.Open(open, Within(kLong)), IsOk());
    ASSERT_TRUE(Heard().has_open());
  }

  v1::SessionRequest Heard() {
    auto request = daemon_.Hear(Clock::now() + kLong);
    EXPECT_TRUE(request.has_value());
    return request.value_or(v1::SessionRequest());
  }
  uint64_t Started(const std::vector<uint32_t>& units) {
    const auto set_id = mux_.StartSet(units, Within(kLong));
    EXPECT_THAT(set_id, IsOk());
    EXPECT_EQ(Heard().acquire().set_id(), set_id.value_or(0));
    return set_id.value_or(0);
  }

  FakeSessionDaemon daemon_;
  SessionMux mux_{std::make_unique<FakeSessionLink>(daemon_)};
};

TEST_F(SessionMuxTest, ASetIsReleasedWithTheNextOne) {
  const uint64_t first = Started({1});
  daemon_.SayReady(first, {1});
  ASSERT_THAT(mux_.WaitForSet(first, Within(kLong)), IsOk());
  const auto second = mux_.StartSet({2}, Within(kLong), first);
  ASSERT_THAT(second, IsOk());
  const v1::SessionRequest heard = Heard();
  EXPECT_EQ(heard.acquire().set_id(), *second);
  ASSERT_EQ(heard.acquire().release_set_ids_size(), 1);
  EXPECT_EQ(heard.acquire().release_set_ids(0), first);
  // As many as there may be: one goes, so that another may come.
  for (uint32_t i = 1; i < FakeSessionDaemon::kMaxSets; ++i) Started({i});
  EXPECT_THAT(mux_.StartSet({99}, Within(kLong)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("release one")));
  daemon_.SayReady(*second, {2});
  ASSERT_THAT(mux_.WaitForSet(*second, Within(kLong)), IsOk());
  EXPECT_THAT(mux_.StartSet({3}, Within(kLong), *second), IsOk());
}

TEST_F(SessionMuxTest, AnswersFindTheirSets) {
  const uint64_t first = Started({1, 2});
  const uint64_t second = Started({3});
  daemon_.SayReady(second, {3});
  daemon_.SayReady(first, {1, 2});
  const auto ready = mux_.WaitForSet(first, Within(kLong));
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(ready->slots_size(), 2);
  EXPECT_EQ(mux_.WaitForSet(second, Within(kLong))->slots(0).generation(), 3u);
  EXPECT_THAT(mux_.Release(second, Within(kLong)), IsOk());
  EXPECT_EQ(Heard().release().set_id(), second);
}

TEST_F(SessionMuxTest, ASetThatFailsIsItsOwnMatter) {
  const uint64_t first = Started({1});
  daemon_.SayFailed(first, absl::StatusCode::kDataLoss);
  EXPECT_THAT(mux_.WaitForSet(first, Within(kLong)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it failed")));
  EXPECT_THAT(mux_.WaitForSet(first, Within(kLong)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not waited for")));
  EXPECT_THAT(mux_.status(), IsOk());
}

TEST_F(SessionMuxTest, ADeadlineLeavesTheSetToBeWaitedFor) {
  const uint64_t set_id = Started({1});
  const Clock::time_point asked = Clock::now();
  EXPECT_THAT(mux_.WaitForSet(set_id, Within(milliseconds(30))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("longer")));
  EXPECT_GE(Clock::now() - asked, milliseconds(30));
  daemon_.SayReady(set_id, {1});
  EXPECT_THAT(mux_.WaitForSet(set_id, Within(kLong)), IsOk());
}

// The first one reads the stream, the second waits for what it reads.
TEST_F(SessionMuxTest, AStopEndsThoseWhoWaitAndNobodyElse) {
  const uint64_t first = Started({1});
  const uint64_t second = Started({2});
  const uint64_t third = Started({3});
  for (const bool reader_first : {true, false}) {
    std::stop_source stop_a;
    std::stop_source stop_b;
    std::thread a([&] {
      EXPECT_EQ(mux_.WaitForSet(first, {.stop = stop_a.get_token()}).status().code(),
                absl::StatusCode::kCancelled);
    });
    std::this_thread::sleep_for(milliseconds(5));
    std::thread b([&] {
      EXPECT_EQ(mux_.WaitForSet(second, {.stop = stop_b.get_token()}).status().code(),
                absl::StatusCode::kCancelled);
    });
    std::this_thread::sleep_for(milliseconds(5));
    (reader_first ? stop_a : stop_b).request_stop();
    (reader_first ? a : b).join();
    (reader_first ? stop_b : stop_a).request_stop();
    (reader_first ? b : a).join();
  }
  daemon_.SayReady(third, {3});
  EXPECT_THAT(mux_.WaitForSet(third, Within(kLong)), IsOk());
  std::stop_source before;
  before.request_stop();
  EXPECT_EQ(mux_.Ping({.stop = before.get_token()}).code(), absl::StatusCode::kCancelled);
}

TEST_F(SessionMuxTest, WhatIsGivenUpComesBack) {
  const uint64_t asked = Started({1});
  EXPECT_THAT(mux_.GiveUp(asked, Within(kLong)), IsOk());
  EXPECT_EQ(Heard().cancel().set_id(), asked);
  const uint64_t answered = Started({2});
  daemon_.SayReady(asked, {1});  // was on its way: the daemon hears of it as a release
  daemon_.SayReady(answered, {2});
  EXPECT_THAT(mux_.status(), IsOk());  // looks
  EXPECT_THAT(mux_.GiveUp(answered, Within(kLong)), IsOk());
  EXPECT_EQ(Heard().release().set_id(), answered);
  EXPECT_THAT(mux_.GiveUp(answered, Within(kLong)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not waited for")));
  const uint64_t failed = Started({3});
  daemon_.SayFailed(failed, absl::StatusCode::kDataLoss);
  EXPECT_THAT(mux_.status(), IsOk());
  EXPECT_THAT(mux_.GiveUp(failed, Within(kLong)), IsOk());
  EXPECT_FALSE(daemon_.Hear(Clock::now() + milliseconds(5)).has_value());  // nothing to say
}

TEST_F(SessionMuxTest, NoMoreSetsThanThereMayBe) {
  std::vector<uint64_t> sets;
  for (uint32_t i = 0; i < FakeSessionDaemon::kMaxSets; ++i) sets.push_back(Started({i}));
  EXPECT_THAT(mux_.StartSet({99}, Within(kLong)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("release one")));
  EXPECT_THAT(mux_.GiveUp(sets[0], Within(kLong)), IsOk());
  EXPECT_TRUE(Heard().has_cancel());
  EXPECT_THAT(mux_.StartSet({99}, Within(kLong)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("release one")));
  daemon_.SayFailed(sets[0], absl::StatusCode::kCancelled);
  Started({99});
}

TEST_F(SessionMuxTest, TheEndOfTheStreamIsEverybodys) {
  const uint64_t first = Started({1});
  const uint64_t second = Started({2});
  std::vector<std::thread> threads;
  for (const uint64_t set_id : {first, second}) {
    threads.emplace_back([this, set_id] {
      EXPECT_THAT(mux_.WaitForSet(set_id, {}),
                  StatusIs(absl::StatusCode::kUnavailable, HasSubstr("died")));
    });
  }
  threads.emplace_back([this] {
    EXPECT_THAT(mux_.Ping({}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("died")));
  });
  std::this_thread::sleep_for(milliseconds(10));
  daemon_.End(absl::UnavailableError("died"));
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(mux_.status(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("died")));
  EXPECT_THAT(mux_.StartSet({3}, {}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("died")));
  EXPECT_THAT(mux_.Release(first, {}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("died")));
}

TEST_F(SessionMuxTest, AnEndWithoutAReasonIsUnavailable) {
  daemon_.End(absl::OkStatus());
  EXPECT_THAT(mux_.Ping({}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has ended")));
}

TEST_F(SessionMuxTest, CloseEndsInOrderAndInTime) {
  mux_.Close(Within(kLong));
  EXPECT_FALSE(daemon_.cancelled());
  EXPECT_THAT(mux_.Ping({}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has ended")));
  mux_.Close(Within(kLong));
}

TEST_F(SessionMuxTest, ADaemonThatLiesLosesTheSession) {
  struct Lie {
    const char* what;
    std::function<void(FakeSessionDaemon&, uint64_t)> say;
  };
  const std::vector<Lie> lies = {
      {"nobody asked for", [](auto& daemon, uint64_t) { daemon.SayReady(77, {1}); }},
      {"answered twice",
       [](auto& daemon, uint64_t set_id) {
         daemon.SayReady(set_id, {1});
         daemon.SayFailed(set_id, absl::StatusCode::kDataLoss);
       }},
      {"opened twice", [](auto& daemon, uint64_t) { daemon.SayOpened(); }},
      {"pong without a ping", [](auto& daemon, uint64_t) { daemon.SayPong(); }},
      {"says nothing", [](auto& daemon, uint64_t) { daemon.Say({}); }},
  };
  for (const Lie& lie : lies) {
    FakeSessionDaemon daemon;
    SessionMux mux(std::make_unique<FakeSessionLink>(daemon));
    daemon.SayOpened();
    ASSERT_THAT(mux.Open({}, Within(kLong)), IsOk());
    const auto set_id = mux.StartSet({1}, Within(kLong));
    ASSERT_THAT(set_id, IsOk());
    lie.say(daemon, *set_id);
    absl::Status status = mux.status();
    if (status.ok()) status = mux.status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(lie.what)));
    EXPECT_TRUE(daemon.cancelled());
  }
}

// Answers in any order, after any time, some with failures; counts what is leased.
class BusyDaemon {
 public:
  explicit BusyDaemon(FakeSessionDaemon& daemon) : daemon_(daemon), thread_([this] { Run(); }) {}
  ~BusyDaemon() {
    stop_ = true;
    thread_.join();
  }

  size_t leased() const { return leased_count_; }
  int wrong() const { return wrong_; }

 private:
  void Run() {
    std::mt19937 random(1);
    while (!stop_) {
      while (const auto request =
                 daemon_.Hear(Clock::now() + std::chrono::microseconds(random() % 300))) {
        Do(*request);
      }
      if (daemon_.cancelled()) return;
      if (asked_.empty()) continue;
      auto answered = asked_.begin();
      std::advance(answered, static_cast<ptrdiff_t>(random() % asked_.size()));
      if (random() % 8 == 0) {
        daemon_.SayFailed(answered->first, absl::StatusCode::kDataLoss);
      } else {
        daemon_.SayReady(answered->first, answered->second);
        leased_.insert(answered->first);
      }
      asked_.erase(answered);
      leased_count_ = leased_.size();
    }
  }

  void Do(const v1::SessionRequest& request) {
    if (request.has_acquire()) {
      const auto& units = request.acquire().units();
      asked_[request.acquire().set_id()] = {units.begin(), units.end()};
      if (asked_.size() + leased_.size() > FakeSessionDaemon::kMaxSets) ++wrong_;
    } else if (request.has_release()) {
      if (leased_.erase(request.release().set_id()) == 0) ++wrong_;
    } else if (request.has_cancel()) {
      if (asked_.erase(request.cancel().set_id()) > 0) {
        daemon_.SayFailed(request.cancel().set_id(), absl::StatusCode::kCancelled);
      } else {
        leased_.erase(request.cancel().set_id());
      }
    } else if (request.has_ping()) {
      daemon_.SayPong();
    }
    leased_count_ = leased_.size();
  }

  FakeSessionDaemon& daemon_;
  std::map<uint64_t, std::vector<uint32_t>> asked_;
  std::set<uint64_t> leased_;
  std::atomic<size_t> leased_count_ = 0;
  std::atomic<int> wrong_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

void UseSession(SessionMux& mux, uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    const std::vector<uint32_t> units = {static_cast<uint32_t>(random() % 100), seed};
    std::stop_source stop;
    CallLimits limits = {.deadline = Clock::now() + kLong, .stop = stop.get_token()};
    if (random() % 4 == 0) limits.deadline = Clock::now() + std::chrono::microseconds(500);
    std::thread stopper;
    if (random() % 16 == 0) stopper = std::thread([&] { stop.request_stop(); });
    if (random() % 8 == 0) {
      mux.Ping(limits).IgnoreError();
    } else if (const auto set_id = mux.StartSet(units, limits); set_id.ok()) {
      const auto ready = mux.WaitForSet(*set_id, limits);
      if (ready.ok()) {
        ASSERT_EQ(ready->slots_size(), 2);
        EXPECT_EQ(ready->slots(0).generation(), units[0]);
        EXPECT_EQ(ready->slots(1).generation(), seed);
        EXPECT_THAT(mux.Release(*set_id, Within(kLong)), IsOk());
      } else if (ready.status().code() != absl::StatusCode::kDataLoss) {
        EXPECT_THAT(mux.GiveUp(*set_id, Within(kLong)), IsOk());
      }
    } else {
      EXPECT_NE(set_id.status().code(), absl::StatusCode::kUnavailable);
    }
    if (stopper.joinable()) stopper.join();
  }
}

TEST_F(SessionMuxTest, ManyThreadsShareOneStream) {
  BusyDaemon busy(daemon_);
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    threads.emplace_back([this, seed] { UseSession(mux_, seed); });
  }
  for (std::thread& thread : threads) thread.join();
  const Clock::time_point end = Clock::now() + kLong;
  while (busy.leased() > 0 && Clock::now() < end) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(busy.leased(), 0u);
  EXPECT_EQ(busy.wrong(), 0);
  EXPECT_THAT(mux_.Ping(Within(kLong)), IsOk());
  mux_.Close(Within(kLong));
}

}  // namespace
}  // namespace ecf8
