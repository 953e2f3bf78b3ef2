#include "rpc/recording_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Collecting final : public RecordingSink {
 public:
  absl::Status Begin(const std::vector<TraceModel>& m, const std::vector<std::string>& n) override {
    ++begun;
    models = m;
    names = n;
    return absl::OkStatus();
  }
  absl::Status Add(absl::Span<const TraceRecord> r, uint64_t l) override {
    records.insert(records.end(), r.begin(), r.end());
    lost += l;
    return absl::OkStatus();
  }

  int begun = 0;
  std::vector<TraceModel> models;
  std::vector<std::string> names;
  std::vector<TraceRecord> records;
  uint64_t lost = 0;
};

class RecordingCheckerTest : public ::testing::Test {
 protected:
  // Two models, of two units and of one.
  static v1::RecordAccessesResponse Models() {
    v1::RecordAccessesResponse message;
    for (const uint32_t units : {2, 0, 1}) {
      v1::RecordedModel* const model = message.add_models();
      model->set_name(absl::StrCat("m", units));
      model->set_digest(absl::StrCat("0123456789abcde", units));
      model->set_unit_count(units);
    }
    return message;
  }
  static v1::RecordAccessesResponse Units(const std::vector<std::string>& ids) {
    v1::RecordAccessesResponse message;
    for (const std::string& id : ids) {
      v1::RecordedUnit* const unit = message.add_units();
      unit->set_id(id);
      unit->set_stored_size_bytes(10);
      unit->set_decoded_size_bytes(12);
      unit->set_layer(7);
      unit->set_expert(true);
    }
    return message;
  }
  static v1::RecordAccessesResponse Access(uint32_t model, uint32_t unit, int kind = 0) {
    v1::RecordAccessesResponse message;
    v1::RecordedAccess* const access = message.add_accesses();
    access->set_time_us(99);
    access->set_model(model);
    access->set_unit(unit);
    access->set_kind(static_cast<v1::RecordedAccess::Kind>(kind));
    message.set_lost_accesses(3);
    message.set_time_us(1000);
    return message;
  }
  void Begin() {
    ASSERT_THAT(checker_.Accept(Models()), IsOk());
    ASSERT_THAT(checker_.Accept(Units({"a"})), IsOk());
    EXPECT_EQ(sink_.begun, 0);
    ASSERT_THAT(checker_.Accept(Units({"b", "c"})), IsOk());
    EXPECT_EQ(sink_.begun, 1);
  }

  Collecting sink_;
  RecordingChecker checker_{sink_};
};

TEST_F(RecordingCheckerTest, PassesOnWhatIsAsItMustBe) {
  Begin();
  EXPECT_THAT(sink_.names, ElementsAre("m2", "m0", "m1"));
  EXPECT_EQ(sink_.models[0].digest, 0x0123'4567'89ab'cde2u);
  ASSERT_EQ(sink_.models[0].units.size(), 2u);
  EXPECT_EQ(sink_.models[0].units[1], (TraceUnit{"b", 10, 12, 7, true}));
  EXPECT_EQ(sink_.models[1].units.size(), 0u);
  EXPECT_EQ(sink_.models[2].units[0].id, "c");
  EXPECT_EQ(checker_.time_us(), 0u);
  ASSERT_THAT(checker_.Accept(Access(2, 0, 2)), IsOk());
  EXPECT_THAT(sink_.records, ElementsAre(TraceRecord{99, 0, 2, ecf8::Access::kPreload}));
  EXPECT_EQ(sink_.lost, 3u);
  EXPECT_EQ(checker_.time_us(), 1000u);
  v1::RecordAccessesResponse more = Access(0, 1);
  more.set_time_us(2000);
  more.set_more(true);
  ASSERT_THAT(checker_.Accept(more), IsOk());
  EXPECT_EQ(checker_.time_us(), 1000u);  // those up to 2000 are still to come
}

TEST_F(RecordingCheckerTest, RefusesAccessesToWhatIsNotThere) {
  Begin();
  const auto wrong = absl::StatusCode::kDataLoss;
  EXPECT_THAT(checker_.Accept(Access(3, 0)), StatusIs(wrong, HasSubstr("not there")));
  EXPECT_THAT(checker_.Accept(Access(1, 0)), StatusIs(wrong, HasSubstr("not there")));
  EXPECT_THAT(checker_.Accept(Access(0, 2)), StatusIs(wrong, HasSubstr("not there")));
  EXPECT_THAT(checker_.Accept(Access(0, 0, 3)), StatusIs(wrong, HasSubstr("unknown kind")));
  EXPECT_TRUE(sink_.records.empty());
}

TEST_F(RecordingCheckerTest, RefusesTablesThatAreNone) {
  const auto refused = [](const std::function<void(v1::RecordAccessesResponse&)>& change) {
    v1::RecordAccessesResponse message = Models();
    change(message);
    Collecting sink;
    return RecordingChecker(sink).Accept(message);
  };
  const auto wrong = absl::StatusCode::kDataLoss;
  EXPECT_THAT(refused([](auto& m) { m.clear_models(); }), StatusIs(wrong, HasSubstr("no models")));
  for (const std::string digest : {"", "0123456789abcdeg", "0123456789abcde", "-123456789abcde0"}) {
    EXPECT_THAT(refused([&](auto& m) { m.mutable_models(0)->set_digest(digest); }),
                StatusIs(wrong, HasSubstr("digest")));
  }
  EXPECT_THAT(refused([](auto& m) { m.mutable_models(0)->set_unit_count((1 << 20) + 1); }),
              StatusIs(wrong, HasSubstr("too many units")));
  EXPECT_THAT(refused([](auto& m) {
                for (int i = 0; i < 5; ++i) *m.add_models() = m.models(0);
                for (auto& model : *m.mutable_models()) model.set_unit_count(1 << 20);
              }),
              StatusIs(wrong, HasSubstr("too many units")));
  EXPECT_THAT(refused([](auto& m) {
                for (int i = 0; i < 64; ++i) *m.add_models() = m.models(0);
              }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 64 models")));
  EXPECT_THAT(refused([](auto& m) { *m.add_accesses() = v1::RecordedAccess(); }),
              StatusIs(wrong, HasSubstr("before all units")));
  EXPECT_THAT(refused([](auto& m) {
                m.MergeFrom(Units({"a", "b", "c", "d"}));
              }),
              StatusIs(wrong, HasSubstr("more units")));
  EXPECT_THAT(refused([](auto& m) { m.MergeFrom(Units({"../a"})); }),
              StatusIs(wrong, HasSubstr("id")));
  EXPECT_THAT(refused([](auto& m) {
                m.MergeFrom(Units({"a"}));
                m.mutable_units(0)->set_stored_size_bytes(uint64_t{1} << 41);
              }),
              StatusIs(wrong, HasSubstr("too large")));
  Begin();
  EXPECT_THAT(checker_.Accept(Models()), StatusIs(wrong, HasSubstr("first message")));
}

}  // namespace
}  // namespace ecf8
