#include "loader/serve/unit_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "decoder/checksum.h"
#include "loader/memory/slot_space.h"
#include "loader/model/error_info.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;

uint64_t HashOf(const std::string& data) {
  return Xxh3({reinterpret_cast<const uint8_t*>(data.data()), data.size()});
}

// *data becomes what came of data.
absl::StatusOr<ReadStep> NextOf(UnitReader& reader, std::string* data) {
  data->resize(kMaxMessageDataBytes);
  auto step = reader.Next({reinterpret_cast<uint8_t*>(data->data()), data->size()});
  const bool is_data = step.ok() && step->kind == ReadStep::Kind::kData;
  data->resize(is_data ? step->data_size_bytes : 0);
  return step;
}

class UnitReaderTest : public ::testing::Test {
 protected:
  UnitReaderTest() {
    tensors_ = testing::MakeCompressedModel(directory_.path(), "small");
    model_ = testing::OpenModel(directory_ / "small");
  }

  // A UnitReader that waits where the engine needs time.
  class WaitingReader {
   public:
    WaitingReader(Engine& engine, ReadOrder order)
        : reader_(engine, std::move(order), [this] {
            MutexLock lock(mutex_);
            woken_ = true;
            news_.NotifyOne();
          }) {}
    ~WaitingReader() { reader_.Stop(); }

    absl::StatusOr<ReadStep> Next(std::string* data) {
      while (true) {
        auto step = NextOf(reader_, data);
        if (!step.ok() || step->kind != ReadStep::Kind::kWait) return step;
        MutexLock lock(mutex_);
        while (!std::exchange(woken_, false)) news_.Wait(lock);
      }
    }
    const SelectedUnit& unit() const { return reader_.unit(); }

   private:
    Mutex mutex_;
    CondVar news_;
    bool woken_ ABSL_GUARDED_BY(mutex_) = false;
    UnitReader reader_;
  };

  // The engine opens the model's files, so it starts when the test has done with them what it does.
  WaitingReader& Reader(UnitForm form, const std::vector<std::string_view>& units = {},
                        const std::vector<std::string_view>& tensors = {}) {
    auto selection = Selection::Make(*model_, units, tensors);
    EXPECT_THAT(selection, IsOk());
    reader_.reset();
    EngineOptions options;
    options.host_budget_bytes = 32 << 20;
    options.slot_budget_bytes = slot_budget_bytes_;
    options.touch_threads = 0;
    auto engine = Engine::Start(options, {model_});
    EXPECT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
    reader_.emplace(*engine_, ReadOrder{.model = engine_->models().front(),
                                        .selection = *std::move(selection),
                                        .form = form});
    return *reader_;
  }

  uint64_t slot_budget_bytes_ = 32 << 20;
  testing::TempDir directory_;
  testing::TensorBytes tensors_;
  std::shared_ptr<const CompressedModel> model_;
  std::unique_ptr<Engine> engine_;
  std::optional<WaitingReader> reader_;
};

// One slot: where a unit ahead is found there, it must not keep it while the one before it waits.
TEST_F(UnitReaderTest, WhatIsHeldAheadGivesWay) {
  slot_budget_bytes_ = kSlotPageBytes;
  std::string data;
  Reader(UnitForm::kDecoded);
  for (int walk = 0; walk < 10; ++walk) {
    reader_.emplace(*engine_, ReadOrder{.model = engine_->models().front(),
                                        .selection = *Selection::Make(*model_, {}, {}),
                                        .form = UnitForm::kDecoded});
    absl::StatusOr<ReadStep> step = ReadStep{};
    do {
      step = reader_->Next(&data);
      ASSERT_THAT(step, IsOk());
    } while (step->kind != ReadStep::Kind::kDone);
  }
  EXPECT_EQ(engine_->stats().revoked_holds, 0u);
}

TEST_F(UnitReaderTest, DecodedFormIsTheOriginal) {
  WaitingReader& reader = Reader(UnitForm::kDecoded);
  std::map<std::string, std::string> read;
  std::string data;
  while (true) {
    const auto step = reader.Next(&data);
    ASSERT_THAT(step, IsOk());
    if (step->kind == ReadStep::Kind::kDone) break;
    const Unit& unit = model_->unit(reader.unit().unit_index);
    if (step->kind == ReadStep::Kind::kBegin) {
      for (const Piece& piece : unit.pieces) read[piece.tensor];
    }
    if (step->kind != ReadStep::Kind::kData) continue;
    EXPECT_EQ(step->xxh3, HashOf(data));
    EXPECT_LE(data.size(), kMaxMessageDataBytes);
    for (const Piece& piece : unit.pieces) {
      if (step->offset_bytes < piece.decoded_offset_bytes ||
          step->offset_bytes >= piece.decoded_offset_bytes + piece.decoded_size_bytes) {
        continue;
      }
      EXPECT_EQ(step->offset_bytes - piece.decoded_offset_bytes, read[piece.tensor].size());
      read[piece.tensor] += data;
    }
  }
  EXPECT_EQ(read, tensors_);
}

TEST_F(UnitReaderTest, StoredFormIsTheShardsBytes) {
  WaitingReader& reader = Reader(UnitForm::kStored, {"layers.1"});
  const uint32_t index = *model_->FindUnit("layers.1");
  const Unit& unit = model_->unit(index);
  const std::string shard =
      testing::ReadFile(directory_ / ("small/" + model_->shard_of(index).file_name));
  std::string data;
  uint64_t sum = 0;
  ASSERT_EQ(reader.Next(&data)->kind, ReadStep::Kind::kBegin);
  while (true) {
    const auto step = reader.Next(&data);
    ASSERT_THAT(step, IsOk());
    if (step->kind == ReadStep::Kind::kEnd) {
      EXPECT_EQ(step->data_size_bytes, sum);
      break;
    }
    EXPECT_EQ(step->xxh3, HashOf(data));
    EXPECT_TRUE(shard.compare(unit.offset_bytes + step->offset_bytes, data.size(), data) == 0);
    sum += data.size();
  }
  uint64_t expected = unit.tables_size_bytes;
  for (const Piece& piece : unit.pieces) expected += piece.stored_size_bytes;
  EXPECT_EQ(sum, expected);
  EXPECT_EQ(reader.Next(&data)->kind, ReadStep::Kind::kDone);
  EXPECT_EQ(reader.Next(&data)->kind, ReadStep::Kind::kDone);
}

TEST_F(UnitReaderTest, OfATensorOnlyTablesAndItsChunksAreSent) {
  WaitingReader& reader = Reader(UnitForm::kStored, {}, {"model.layers.0.self_attn.q_proj.weight"});
  const Unit& unit = model_->unit(*model_->FindUnit("layers.0"));
  std::string data;
  uint64_t sum = 0;
  auto step = reader.Next(&data);
  for (; step.ok() && step->kind != ReadStep::Kind::kEnd; step = reader.Next(&data)) {
    if (step->kind == ReadStep::Kind::kData) sum += data.size();
  }
  ASSERT_THAT(step, IsOk());
  for (const Piece& piece : unit.pieces) {
    if (piece.tensor == "model.layers.0.self_attn.q_proj.weight") {
      EXPECT_EQ(sum, unit.tables_size_bytes + piece.stored_size_bytes);
      EXPECT_GT(piece.chunks.size(), 1u);
    }
  }
}

TEST_F(UnitReaderTest, DamageNamesUnitTensorShardAndOffset) {
  const uint32_t index = *model_->FindUnit("layers.1");
  const Unit& unit = model_->unit(index);
  const std::string shard = model_->shard_of(index).file_name;
  const Piece* piece = nullptr;
  for (const Piece& candidate : unit.pieces) {
    if (candidate.chunks.size() > 1) piece = &candidate;
  }
  ASSERT_NE(piece, nullptr);
  const uint64_t second_chunk =
      unit.offset_bytes + piece->stored_offset_bytes + piece->chunks[0].stored_size_bytes;
  std::fstream file(directory_ / ("small/" + shard),
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(second_chunk + 1000));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(second_chunk + 1000));
  file.put(static_cast<char>(byte ^ 4));
  file.close();

  for (const UnitForm form : {UnitForm::kStored, UnitForm::kDecoded}) {
    WaitingReader& reader = Reader(form);
    std::string data;
    auto step = reader.Next(&data);
    while (step.ok() && step->kind != ReadStep::Kind::kDone) step = reader.Next(&data);
    ASSERT_EQ(step.status().code(), absl::StatusCode::kDataLoss) << step.status();
    const ErrorInfo expected{.reason = ErrorReason::kCorruptData,
                             .model = "small",
                             .unit = "layers.1",
                             .tensor = piece->tensor,
                             .shard = shard,
                             .offset_bytes = second_chunk};
    ASSERT_TRUE(GetErrorInfo(step.status()).has_value());
    EXPECT_EQ(*GetErrorInfo(step.status()), expected);
    EXPECT_EQ(reader.Next(&data)->kind, ReadStep::Kind::kDone);
  }
}

TEST_F(UnitReaderTest, ATruncatedShardIsAnError) {
  const std::string path = directory_ / ("small/" + model_->shards()[0].file_name);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  WaitingReader& reader = Reader(UnitForm::kDecoded);
  std::string data;
  auto step = reader.Next(&data);
  while (step.ok() && step->kind != ReadStep::Kind::kDone) step = reader.Next(&data);
  EXPECT_EQ(step.status().code(), absl::StatusCode::kDataLoss) << step.status();
}

}  // namespace
}  // namespace ecf8
