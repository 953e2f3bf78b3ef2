// A session that several threads use at once, as gRPC's do: what is leased is right, and in the end
// everything is given back. ThreadSanitizer looks on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/session/open_session.h"
#include "loader/session/session.h"
#include "tests/support/shard_faults.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::Within20s;
using std::chrono::milliseconds;

// Told of outcomes on any thread.
class Bell {
 public:
  void Ring() {
    MutexLock lock(mutex_);
    ++rung_;
    changed_.NotifyAll();
  }
  // Until it rings again, or for a moment.
  void Listen() {
    MutexLock lock(mutex_);
    const uint64_t before = rung_;
    const auto until = std::chrono::steady_clock::now() + milliseconds(5);
    while (rung_ == before && changed_.WaitUntil(lock, until)) {
    }
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  uint64_t rung_ ABSL_GUARDED_BY(mutex_) = 0;
};

class SessionThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tensors_ = testing::MakeCompressedModel(directory_.path(), "small",
                                            {.layers = 6, .projection_rows = 1500});
    model_ = testing::OpenModel(directory_ / "small");
    shard_ = testing::ReadFile(directory_ / "small/" + model_->shards()[0].file_name);
    EngineOptions options;
    options.host_budget_bytes = 16 << 20;
    options.slot_budget_bytes = kSlotBytes;
    options.decode_threads = 2;
    options.touch_threads = 0;
    options.reader.backend = BlockReaderBackend::kThreads;
    options.reader.calls = &faults_;
    auto engine = Engine::Start(options, {model_});
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  std::shared_ptr<Session> Open(uint64_t slot_bytes, std::shared_ptr<Bell> bell,
                                UnitForm form = UnitForm::kDecoded) {
    std::vector<uint32_t> walk(model_->unit_count());
    for (uint32_t i = 0; i < walk.size(); ++i) walk[i] = i;
    auto session =
        OpenSession(*engine_, limits_,
                    {.model = "small",
                     .digest = model_->digest(),
                     .walk = walk,
                     .cyclic = true,
                     .depth = 2,
                     .slot_bytes = slot_bytes,
                     .form = form},
                    engine_->models()[0], PinHold(), [bell = std::move(bell)] { bell->Ring(); });
    EXPECT_THAT(session, IsOk());
    return session.ok() ? *std::move(session) : nullptr;
  }

  // The unit that lies there is what the checkpoint holds, or the model's file.
  bool IsRight(UnitForm form, uint32_t unit_index, const SlotView& slot) const {
    const Unit& unit = model_->unit(unit_index);
    if (slot.size_bytes != SizeIn(form, unit)) return false;
    const uint8_t* const bytes = engine_->slot_memory_dev().data() + slot.offset_bytes;
    if (form == UnitForm::kStoredInSlot) {
      for (const UnitPart& part : ListUnitParts(unit)) {
        const char* const stored = shard_.data() + unit.offset_bytes + part.stored_offset_bytes;
        if (std::memcmp(bytes + part.stored_offset_bytes, stored, part.stored_size_bytes) != 0) {
          return false;
        }
      }
      return true;
    }
    for (const Piece& piece : unit.pieces) {
      const char* const whole = tensors_.at(piece.tensor).data() + piece.tensor_offset_bytes;
      if (piece.decoded_size_bytes > 0 &&
          std::memcmp(bytes + piece.decoded_offset_bytes, whole, piece.decoded_size_bytes) != 0) {
        return false;
      }
    }
    return true;
  }

  // Nothing where the session is closed. Until the outcome is there the set may be cancelled.
  std::optional<SetOutcome> Await(Session& session, Bell& bell, uint64_t set_id) {
    while (!closed_.load()) {
      {
        MutexLock lock(mutex_);
        std::optional<SetOutcome> outcome = session.TakeOutcome();
        awaited_[&session] = outcome ? 0 : set_id;
        if (outcome) return outcome;
      }
      bell.Listen();
    }
    return std::nullopt;
  }

  // What a client does: asks, waits, reads, gives back.
  void UseSets(Session& session, Bell& bell, uint32_t seed, int rounds) {
    std::mt19937 random(seed);
    for (int round = 0; round < rounds; ++round) {
      const auto set_id = static_cast<uint64_t>(round) + 1;
      const std::vector<uint32_t> units = {static_cast<uint32_t>(random() % model_->unit_count())};
      const milliseconds timeout(random() % 4 == 0 ? 1 : 0);
      ASSERT_THAT(session.Acquire({.set_id = set_id, .units = units, .timeout = timeout}), IsOk());
      const std::optional<SetOutcome> outcome = Await(session, bell, set_id);
      if (!outcome) return;
      EXPECT_EQ(outcome->set_id, set_id);
      session.Continue();
      if (!outcome->status.ok()) {
        EXPECT_TRUE(absl::IsCancelled(outcome->status) || absl::IsDeadlineExceeded(outcome->status))
            << outcome->status;
        continue;
      }
      EXPECT_TRUE(IsRight(session.form(), units[0], outcome->slots.at(0))) << "unit " << units[0];
      ++right_;
      EXPECT_THAT(session.Release(set_id), IsOk());
    }
  }

  // What else may come at any time.
  void Disturb(Session& session, uint32_t seed) {
    std::mt19937 random(seed);
    int cancels = 50;  // or on a slow machine nothing would ever be ready
    while (!closed_.load()) {
      switch (random() % 5) {
        case 0:
          EXPECT_THAT(session.Hint({static_cast<uint32_t>(random() % model_->unit_count())}),
                      IsOk());
          break;
        case 1:
          session.Skip(random() % 3);
          break;
        case 2:
          session.Tick();
          break;
        case 3:
          session.Continue();
          break;
        case 4: {
          MutexLock lock(mutex_);
          if (awaited_[&session] != 0 && cancels-- > 0) session.Cancel(awaited_[&session]);
          break;
        }
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    }
  }

  bool EverythingIsGivenBack() const {
    return Within20s([&] { return engine_->stats().requests == 0; }) &&
           engine_->slot_grants().free_bytes() == kSlotBytes;
  }

  static constexpr uint64_t kSlotBytes = 24 << 20;
  const SessionLimits limits_{};
  testing::TempDir directory_;
  testing::TensorBytes tensors_;
  std::shared_ptr<const CompressedModel> model_;
  std::string shard_;  // of all units
  testing::ShardFaults faults_;
  std::unique_ptr<Engine> engine_;
  Mutex mutex_;
  std::map<const Session*, uint64_t> awaited_ ABSL_GUARDED_BY(mutex_);  // sets; 0: none
  std::atomic<int> right_ = 0;
  std::atomic<bool> closed_ = false;
};

TEST_F(SessionThreadsTest, AnythingAtAnyTime) {
  constexpr int kRounds = 200;
  const auto bell = std::make_shared<Bell>();
  const auto session = Open(8 << 20, bell);
  const auto other_bell = std::make_shared<Bell>();
  const auto other = Open(8 << 20, other_bell, UnitForm::kStoredInSlot);
  ASSERT_NE(session, nullptr);
  ASSERT_NE(other, nullptr);
  std::thread disturbs([&] { Disturb(*session, 1); });
  std::thread disturbs_too([&] { Disturb(*other, 2); });
  std::thread uses([&] { UseSets(*session, *bell, 3, kRounds); });
  UseSets(*other, *other_bell, 4, kRounds);
  uses.join();
  closed_.store(true);
  disturbs.join();
  disturbs_too.join();
  EXPECT_GT(right_.load(), kRounds / 2);
  session->Close();
  other->Close();
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(SessionThreadsTest, ClosedAtAnyTime) {
  for (uint32_t i = 0; i < 30; ++i) {
    closed_.store(false);
    const auto bell = std::make_shared<Bell>();
    const auto session = Open(8 << 20, bell);
    ASSERT_NE(session, nullptr);
    std::thread disturbs([&] { Disturb(*session, i); });
    std::thread uses([&] { UseSets(*session, *bell, i, 1'000'000); });
    std::this_thread::sleep_for(std::chrono::microseconds(200 * i));
    session->Close();
    closed_.store(true);
    uses.join();
    disturbs.join();
    ASSERT_TRUE(EverythingIsGivenBack());
  }
}

// Of two sets of one unit the first is given up, and its number is used for one of many units.
TEST_F(SessionThreadsTest, ANumberMayBeUsedAgain) {
  const auto bell = std::make_shared<Bell>();
  const auto session = Open(16 << 20, bell);
  ASSERT_NE(session, nullptr);
  faults_.Hold();
  ASSERT_THAT(session->Acquire({.set_id = 1, .units = {3}}), IsOk());
  ASSERT_THAT(session->Acquire({.set_id = 2, .units = {3}}), IsOk());
  session->Cancel(1);
  EXPECT_TRUE(absl::IsCancelled(Await(*session, *bell, 1)->status));
  const std::vector<uint32_t> units = {3, 4, 5, 6};
  ASSERT_THAT(session->Acquire({.set_id = 1, .units = units}), IsOk());
  faults_.LetGo();
  for (int outcomes = 0; outcomes < 2; ++outcomes) {
    const std::optional<SetOutcome> outcome = Await(*session, *bell, 1);
    ASSERT_TRUE(outcome && outcome->status.ok());
    for (size_t i = 0; i < outcome->slots.size(); ++i) {
      EXPECT_TRUE(IsRight(session->form(), units[i], outcome->slots[i])) << "unit " << units[i];
    }
    session->Continue();
  }
  session->Close();
  EXPECT_TRUE(EverythingIsGivenBack());
}

}  // namespace
}  // namespace ecf8
