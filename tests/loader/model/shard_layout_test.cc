// The header covers every byte, and the room that is reserved for it is enough.

#include "loader/model/shard_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "loader/checkpoint/safetensors.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using testing::IsOk;

Piece MakePiece(std::string name, DType dtype, uint64_t offset, uint64_t size, uint64_t total,
                uint32_t stored) {
  Piece piece;
  piece.tensor = std::move(name);
  piece.dtype = dtype;
  piece.shape = {total};
  piece.codec = stored == size ? Codec::kRaw : Codec::kE4M3;
  piece.tensor_offset_bytes = offset;
  piece.decoded_size_bytes = size;
  if (size > 0) piece.chunks = {{stored, 0}};
  return piece;
}

Unit MakeUnit(std::string id, uint64_t offset, bool tables, std::vector<Piece> pieces) {
  Unit unit;
  unit.id = std::move(id);
  unit.offset_bytes = offset;
  if (tables) unit.table_sets = {{Codec::kE4M3, 1}};
  unit.pieces = std::move(pieces);
  DeriveUnitLayout(unit);
  return unit;
}

// "name dtype begin end" of every entry; the parser has checked that they leave nothing out.
std::vector<std::string> Describe(const std::vector<SafetensorsTensor>& cover) {
  std::vector<std::string> lines;
  for (const SafetensorsTensor& entry : cover) {
    lines.push_back(entry.name + " " + std::string(DTypeName(entry.dtype)) + " " +
                    std::to_string(entry.begin) + " " + std::to_string(entry.end));
  }
  const auto parsed = ParseSafetensorsHeader(WriteSafetensorsJson(cover, nullptr),
                                             cover.empty() ? 0 : cover.back().end);
  EXPECT_THAT(parsed, IsOk());
  return lines;
}

TEST(ShardCoverTest, UnitsPaddingAndManifest) {
  const std::vector<Unit> units = {
      MakeUnit("embed", 4096, false, {MakePiece("e", DType::kU8, 0, 100, 100, 100)}),
      MakeUnit("layers.0", 8192, true,
               {MakePiece("w", DType::kF8E4M3, 0, 4000, 4000, 3200),
                MakePiece("odd", DType::kU8, 0, 3, 3, 3), MakePiece("none", DType::kU8, 0, 0, 0, 0),
                MakePiece("last", DType::kU8, 0, 1, 1, 1)})};
  EXPECT_THAT(
      Describe(ShardCover(units, 4096, 12288, 50)),
      ElementsAre("e U8 0 100", "__ecf8__.padding.0 U8 100 4096", "__ecf8__.layers.0 U8 4096 4224",
                  "w U8 4224 7424", "odd U8 7424 7427", "__ecf8__.padding.1 U8 7427 7440",
                  "none U8 7440 7440", "last U8 7440 7441", "__ecf8__.padding.2 U8 7441 8192",
                  "__ecf8__.manifest U8 8192 8242"));
}

TEST(ShardCoverTest, ARawTensorInPartsIsOneEntry) {
  const std::vector<Unit> units = {
      MakeUnit("embed#0", 4096, false, {MakePiece("e", DType::kF32, 0, 4096, 1500, 4096)}),
      MakeUnit("embed#1", 8192, false, {MakePiece("e", DType::kF32, 4096, 1904, 1500, 1904)})};
  const auto cover = ShardCover(units, 4096, 10096, 32);
  EXPECT_THAT(Describe(cover), ElementsAre("e F32 0 6000", "__ecf8__.manifest U8 6000 6032"));
  EXPECT_THAT(cover[0].shape, ElementsAre(1500));
}

TEST(ShardCoverTest, RunsOfExpertsAreOneEntryEach) {
  const std::vector<Unit> units = {
      MakeUnit("experts.0", 4096, true,
               {MakePiece("up", DType::kF8E4M3, 0, 4000, 8000, 3200),
                MakePiece("scale", DType::kU8, 0, 3, 6, 3)}),
      MakeUnit("experts.1", 8192, true,
               {MakePiece("up", DType::kF8E4M3, 4000, 4000, 8000, 3200),
                MakePiece("scale", DType::kU8, 3, 3, 6, 3)}),
      MakeUnit("head#0", 12288, false, {MakePiece("h", DType::kU8, 0, 10, 20, 10)}),
      MakeUnit("head#1", 16384, false, {MakePiece("h", DType::kU8, 10, 10, 20, 10)})};
  EXPECT_THAT(Describe(ShardCover(units, 4096, 16400, 40)),
              ElementsAre("up U8 0 7427", "scale U8 7427 7427", "__ecf8__.padding.0 U8 7427 8192",
                          "h U8 8192 12298", "__ecf8__.padding.1 U8 12298 12304",
                          "__ecf8__.manifest U8 12304 12344"));
}

TEST(FindGapsTest, FindsWhatNothingCovers) {
  const std::vector<Unit> units = {
      MakeUnit("u", 4096, true,
               {MakePiece("w", DType::kF8E4M3, 0, 4000, 4000, 3200),
                MakePiece("odd", DType::kU8, 0, 3, 3, 3), MakePiece("x", DType::kU8, 0, 1, 1, 1)})};
  std::vector<std::pair<uint64_t, uint64_t>> gaps;
  for (const Gap& gap : FindGaps(units, 4000, 8192)) gaps.emplace_back(gap.begin, gap.end);
  EXPECT_THAT(gaps,
              ElementsAre(std::pair(4000, 4096), std::pair(7427, 7440), std::pair(7441, 8192)));
}

TEST(ReserveHeaderTest, IsEnoughForTheWorst) {
  const std::string long_name(300, '"');  // each character is escaped
  const std::vector<uint64_t> shape = {1'000'003};
  const std::vector<PlanTensor> tensors = {{"coded", DType::kF8E4M3, shape, 1'000'003},
                                           {long_name, DType::kU8, shape, 1'000'003}};
  PlannedUnit planned;
  planned.id = "layers.0";
  planned.pieces = {{0, 0, 1'000'003, Codec::kE4M3}, {1, 0, 1'000'003, Codec::kRaw}};
  planned.decoded_size_bytes = 2'000'006;
  const SafetensorsMetadata metadata = {{"format", "pt"}};
  const auto size = ReserveHeaderBytes({planned}, tensors, metadata);
  ASSERT_THAT(size, IsOk());
  EXPECT_EQ(*size % 4096, 0u);
  const std::vector<Unit> units = {
      MakeUnit("layers.0", *size, true,
               {MakePiece("coded", DType::kF8E4M3, 0, 1'000'003, 1'000'003, 900'000),
                MakePiece(long_name, DType::kU8, 0, 1'000'003, 1'000'003, 1'000'003)})};
  const auto header =
      BuildShardHeader(ShardCover(units, *size, *size + 2'000'000, 1'000'000), metadata, *size);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->size(), *size);
  EXPECT_EQ(header->back(), ' ');
  EXPECT_FALSE(
      BuildShardHeader(ShardCover(units, *size, *size + 2'000'000, 1'000'000), metadata, 100).ok());
}

TEST(ReserveHeaderTest, TooManyNamesAreRefused) {
  const SafetensorsMetadata metadata = {{"x", std::string(kMaxSafetensorsHeaderBytes, 'x')}};
  EXPECT_EQ(ReserveHeaderBytes({}, {}, metadata).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ecf8
