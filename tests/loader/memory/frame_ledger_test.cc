#include "loader/memory/frame_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kFrame = 1000;
constexpr uint64_t kFrames = 20;

const LedgerUnit kOne{
    .model_digest = 7, .unit_index = 3, .stored_size_bytes = 4001, .frames = {{10, 3}, {2, 2}}};
const LedgerUnit kTwo{
    .model_digest = 7, .unit_index = 4, .stored_size_bytes = 1000, .frames = {{0, 1}}};

class FrameLedgerTest : public ::testing::Test {
 protected:
  FrameLedgerTest()
      : bytes_(FrameLedger::SizeBytes(kFrames)),
        ledger_(FrameLedger::Make(absl::MakeSpan(bytes_), kFrame, kFrames)) {}

  // As another process would find it.
  std::vector<LedgerUnit> Found() {
    auto ledger = FrameLedger::Open(absl::MakeSpan(bytes_), kFrame, kFrames);
    EXPECT_THAT(ledger, IsOk());
    return ledger->Read();
  }
  // The record of a frame, as 64 bytes.
  uint8_t* Record(uint64_t frame) { return bytes_.data() + 4096 + 64 * frame; }

  std::vector<uint8_t> bytes_;
  FrameLedger ledger_;
};

TEST_F(FrameLedgerTest, TellsWhatWasWritten) {
  EXPECT_THAT(Found(), IsEmpty());
  ledger_.Write(kOne);
  ledger_.Write(kTwo);
  EXPECT_THAT(Found(), ElementsAre(kTwo, kOne));
  ledger_.Erase(kTwo.frames);
  EXPECT_THAT(Found(), ElementsAre(kOne));
}

TEST_F(FrameLedgerTest, AUnitIsThereAsAWholeOrNotAtAll) {
  ledger_.Write(kOne);
  ledger_.Write(kTwo);
  ledger_.Erase({{11, 1}});
  EXPECT_THAT(Found(), ElementsAre(kTwo));
}

TEST_F(FrameLedgerTest, ATornRecordTellsNothing) {
  for (int byte = 0; byte < 64; ++byte) {
    for (const uint8_t change : {1, 128}) {
      ledger_.Write(kOne);
      ledger_.Write(kTwo);
      Record(12)[byte] ^= change;
      EXPECT_THAT(Found(), ElementsAre(kTwo)) << byte;
    }
  }
}

TEST_F(FrameLedgerTest, ARecordThatStandsElsewhereTellsNothing) {
  ledger_.Write(kTwo);
  std::copy_n(Record(0), 64, Record(5));
  std::fill_n(Record(0), 64, uint8_t{0});
  EXPECT_THAT(Found(), IsEmpty());
}

// The process was killed between two frames: some are of the unit that was there before.
TEST_F(FrameLedgerTest, WhatWasWrittenAtAnotherTimeIsAnotherUnit) {
  ledger_.Write(kOne);
  const std::vector<uint8_t> old(Record(12), Record(13));
  ledger_.Erase(kOne.frames);
  LedgerUnit other = kOne;
  other.unit_index = 9;
  ledger_.Write(other);
  std::copy(old.begin(), old.end(), Record(12));
  EXPECT_THAT(Found(), IsEmpty());
  // Also where it is the same unit, and another process that writes.
  auto next = FrameLedger::Open(absl::MakeSpan(bytes_), kFrame, kFrames);
  next->Erase({{0, kFrames}});
  std::copy(old.begin(), old.end(), Record(12));
  next = FrameLedger::Open(absl::MakeSpan(bytes_), kFrame, kFrames);
  next->Write({.model_digest = 7, .unit_index = 3, .stored_size_bytes = 2001, .frames = {{2, 3}}});
  std::copy(old.begin(), old.end(), Record(12));
  EXPECT_EQ(Found().size(), 1u);
}

TEST_F(FrameLedgerTest, OfAnotherKindItIsNotRead) {
  const auto bad = absl::StatusCode::kFailedPrecondition;
  const auto open = [&](uint64_t frame_bytes, uint64_t frames) {
    return FrameLedger::Open(absl::MakeSpan(bytes_), frame_bytes, frames).status();
  };
  EXPECT_THAT(open(kFrame, kFrames + 1), StatusIs(bad, HasSubstr("size")));
  EXPECT_THAT(open(kFrame + 1, kFrames), StatusIs(bad, HasSubstr("layout")));
  for (int byte = 0; byte < 40; ++byte) {
    bytes_[byte] ^= 4;
    EXPECT_THAT(open(kFrame, kFrames), StatusIs(bad, HasSubstr("damaged"))) << byte;
    bytes_[byte] ^= 4;
  }
  EXPECT_THAT(open(kFrame, kFrames), IsOk());
  std::fill(bytes_.begin(), bytes_.end(), uint8_t{0});
  EXPECT_THAT(open(kFrame, kFrames), StatusIs(bad, HasSubstr("damaged")));
}

TEST_F(FrameLedgerTest, KnowsWhereTheDiskMayBeWriting) {
  ledger_.Mark({4, 3}, true);
  ledger_.Mark({5, 1}, false);
  auto next = FrameLedger::Open(absl::MakeSpan(bytes_), kFrame, kFrames);
  for (uint64_t frame = 0; frame < kFrames; ++frame) {
    EXPECT_EQ(next->IsMarked(frame), frame == 4 || frame == 6) << frame;
  }
}

// Whatever lies there: units of whole, different frames, and no more than were written.
TEST_F(FrameLedgerTest, DamageMakesNoUnits) {
  std::mt19937 random(1);
  for (int run = 0; run < 2000; ++run) {
    std::fill(bytes_.begin(), bytes_.end(), uint8_t{0});
    FrameLedger ledger = FrameLedger::Make(absl::MakeSpan(bytes_), kFrame, kFrames);
    ledger.Write(kOne);
    ledger.Write(kTwo);
    for (uint32_t i = random() % 4; i > 0; --i) {
      bytes_[4096 + random() % (64 * kFrames)] = static_cast<uint8_t>(random());
    }
    if (random() % 2 == 0) {
      std::copy_n(Record(random() % kFrames), 64, Record(random() % kFrames));
    }
    for (const LedgerUnit& unit : Found()) EXPECT_TRUE(unit == kOne || unit == kTwo);
  }
}

}  // namespace
}  // namespace ecf8
