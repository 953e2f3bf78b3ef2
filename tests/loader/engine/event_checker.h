// An observer that checks the order of what it is told: everything that begins ends, once.
#ifndef ECF8_TESTS_LOADER_ENGINE_EVENT_CHECKER_H_
#define ECF8_TESTS_LOADER_ENGINE_EVENT_CHECKER_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "loader/engine/engine_observer.h"

namespace ecf8::testing {

class EventChecker final : public EngineObserver {
 public:
  ~EventChecker() override {
    EXPECT_TRUE(reads_.empty());
    EXPECT_TRUE(flights_.empty());
  }

  void OnEvent(const EngineEvent& event) override {
    using Kind = EngineEvent::Kind;
    const std::pair key(event.key, event.form);
    switch (event.kind) {
      case Kind::kAccess:
        break;
      case Kind::kWaiting:
        EXPECT_TRUE(flights_.emplace(key, false).second) << event.unit->id;
        break;
      case Kind::kStarted:
        EXPECT_FALSE(flights_[key]) << event.unit->id;
        flights_[key] = true;
        break;
      case Kind::kReadBegun:
        EXPECT_TRUE(reads_.emplace(event.operation, event.size_bytes).second);
        EXPECT_EQ(reads_.size(), event.queue + 1);
        break;
      case Kind::kReadDone:
        EXPECT_EQ(reads_[event.operation], event.size_bytes);
        reads_.erase(event.operation);
        break;
      case Kind::kJobDone:
        EXPECT_NE(event.job, nullptr);
        EXPECT_GT(event.size_bytes, 0u);
        break;
      case Kind::kReady:
        EXPECT_TRUE(flights_[key]) << event.unit->id;
        flights_.erase(key);
        ready_.insert(key);
        break;
      case Kind::kGivenUp:
        // What was ready is given up where its bytes turn out to be bad, or cannot be decoded.
        EXPECT_EQ(flights_.erase(key) + ready_.erase(key), 1u) << event.unit->id;
        break;
      case Kind::kEvicted:
        // A device's copy is made by the way: nobody is told of it.
        if (event.tier != Tier::kDevice) {
          EXPECT_EQ(ready_.erase(key), 1u) << event.unit->id;
        }
        break;
    }
  }

 private:
  using Key = std::pair<uint64_t, UnitForm>;

  std::map<Key, bool> flights_;  // whether it has its memory
  std::set<Key> ready_;
  std::map<uint64_t, uint64_t> reads_;  // bytes by operation
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_LOADER_ENGINE_EVENT_CHECKER_H_
