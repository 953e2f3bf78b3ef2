// Sessions on a model that is removed.

#include "tests/rpc/session_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::SessionTest;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

class SessionModelTest : public SessionTest {
 protected:
  // Nothing is in the tiers but what so many requests hold.
  bool OnlyHeldIsInMemory(size_t requests) const {
    return Within20s([&] {
      const EngineStats stats = server_->engine().stats();
      return stats.requests == requests && stats.slots.units == requests && stats.host.units == 0;
    });
  }
};

TEST_F(SessionModelTest, KeepsWhatItLeasesAndGetsNoMore) {
  Start();
  const auto session =
      Open({.model = {}, .walk = Layers(8), .cyclic = true, .depth = 3, .slot_bytes = 64 << 20});
  auto set = session->Acquire({Layer(1), Layer(2)});
  ASSERT_THAT(set, IsOk());
  ASSERT_THAT(session->Hint({Layer(7)}), IsOk());
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  // What was ahead and hinted at goes; what is leased stays.
  EXPECT_TRUE(OnlyHeldIsInMemory(2));
  ExpectRight(*session, *set, {Layer(1), Layer(2)});
  EXPECT_THAT(set->Check(), IsOk());
  const auto more = session->Acquire({Layer(3)});
  ASSERT_THAT(more, StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
  EXPECT_EQ(GetErrorInfo(more.status())->reason, ErrorReason::kModelNotFound);
  EXPECT_THAT(session->Hint({Layer(6)}), IsOk());
  EXPECT_THAT(session->Skip(1), IsOk());
  EXPECT_THAT(session->Ping(), IsOk());
  EXPECT_TRUE(OnlyHeldIsInMemory(2));
  ExpectRight(*session, *set, {Layer(1), Layer(2)});
  EXPECT_THAT(set->Release(), IsOk());
  EXPECT_TRUE(OnlyHeldIsInMemory(0));
}

TEST_F(SessionModelTest, ASetThatWasAskedForBeforeComes) {
  Start();
  const auto session = Open();
  faults_.Hold();
  const auto set_id = session->StartAcquire({Layer(0), Layer(1)});
  ASSERT_THAT(set_id, IsOk());
  ASSERT_TRUE(Within20s([&] { return faults_.held() > 0; }));
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  faults_.LetGo();
  auto set = session->Wait(*set_id);
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, {Layer(0), Layer(1)});
  EXPECT_THAT(set->Release(), IsOk());
  EXPECT_TRUE(OnlyHeldIsInMemory(0));
}

TEST_F(SessionModelTest, TheModelThatComesBackIsAnother) {
  Start();
  const auto session = Open();
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  EXPECT_THAT(TryOpen({.model = {}}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
  ASSERT_THAT(client_->AddModel("small", ""), IsOk());
  EXPECT_THAT(session->Acquire({Layer(1)}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
  const auto next = Open();
  auto again = next->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(again, IsOk());
  ExpectRight(*next, *again, {Layer(0), Layer(1)});
  ExpectRight(*session, *set, {Layer(0)});
  EXPECT_NE(set->unit(0).data() - session->mapping().slots().data(),
            again->unit(0).data() - next->mapping().slots().data());
}

}  // namespace
}  // namespace ecf8
