// The manifest's reader believes nothing.

#include "loader/model/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "loader/model/manifest_checks.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr uint64_t kMiB = 1 << 20;

Piece RawPiece(std::string name, uint64_t size) {
  Piece piece;
  piece.tensor = std::move(name);
  piece.dtype = DType::kU8;
  piece.shape = {size};
  piece.decoded_size_bytes = size;
  for (uint64_t begin = 0; begin < size; begin += kMiB) {
    piece.chunks.push_back({static_cast<uint32_t>(std::min(kMiB, size - begin)), 7 + begin});
  }
  return piece;
}

Piece CodedPiece(std::string name, uint64_t size) {
  Piece piece = RawPiece(std::move(name), size);
  piece.dtype = DType::kF8E4M3;
  piece.codec = Codec::kE4M3;
  for (Chunk& chunk : piece.chunks) chunk.stored_size_bytes = chunk.stored_size_bytes / 32 * 16;
  return piece;
}

// Shard 0 of 1, with a coded and a raw tensor in one unit, and a tensor in two parts in two others.
Manifest Sample() {
  Manifest manifest;
  manifest.writer = "test";
  manifest.header_xxh3 = 5;
  Unit first;
  first.id = "layers.0";
  first.offset_bytes = 4096;
  first.table_sets = {{Codec::kE4M3, 3}};
  first.tables_xxh3 = 11;
  first.pieces = {CodedPiece("coded", 3 * kMiB + 513), RawPiece("raw", 100), RawPiece("empty", 0)};
  Unit second;
  second.id = "layers.0.experts.0";
  second.offset_bytes = 8 * kMiB;
  second.pieces = {RawPiece("fused", 300)};
  second.pieces[0].shape = {2, 300};
  Unit third = second;
  third.id = "layers.0.experts.1";
  third.offset_bytes = 9 * kMiB;
  third.pieces[0].tensor_offset_bytes = 300;
  manifest.units = {first, second, third};
  manifest.directory = Directory{{{"model.safetensors", 0, 0}},
                                 {{"config.json", 3, 4, false}, {"index", 1, 2, true}},
                                 {{Original::Kind::kFile, "config.json", 9, "z", 1, 0},
                                  {Original::Kind::kSafetensorsHeader, "a", 8, "z", 1, 77}}};
  return manifest;
}

absl::StatusOr<Manifest> Parse(const std::string& bytes) {
  return ParseManifest({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

std::string Serialize(const Manifest& manifest) {
  auto bytes = SerializeManifest(manifest);
  EXPECT_THAT(bytes, IsOk());
  return *std::move(bytes);
}

TEST(ManifestTest, ComesBackAsItWas) {
  const std::string bytes = Serialize(Sample());
  const auto manifest = Parse(bytes);
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(Serialize(*manifest), bytes);
  ASSERT_EQ(manifest->units.size(), 3u);
  EXPECT_EQ(manifest->units[0].pieces[0].chunks.size(), 4u);
  EXPECT_EQ(manifest->units[0].pieces[1].chunks[0].stored_size_bytes, 100u);
  EXPECT_TRUE(manifest->directory->files[1].generated);
  EXPECT_EQ(manifest->directory->originals[1].data_size_bytes, 77u);
}

TEST(ManifestTest, LayoutOfAUnit) {
  const auto manifest = Parse(Serialize(Sample()));
  ASSERT_THAT(manifest, IsOk());
  const Unit& unit = manifest->units[0];
  EXPECT_EQ(unit.tables_size_bytes, 3u * 128);
  EXPECT_EQ(unit.pieces[0].stored_offset_bytes, 384u);
  const uint64_t coded = 3 * kMiB / 2 + 256;
  EXPECT_EQ(unit.pieces[0].stored_size_bytes, coded);
  EXPECT_EQ(unit.pieces[1].stored_offset_bytes, 384 + coded);
  EXPECT_EQ(unit.pieces[1].decoded_offset_bytes, 3 * kMiB + 768);
  // The raw piece's 100 bytes are no multiple of 16; the next begins at one.
  EXPECT_EQ(unit.pieces[2].stored_offset_bytes, 384 + coded + 112);
  EXPECT_EQ(unit.stored_size_bytes, 384 + coded + 112);
  EXPECT_EQ(unit.decoded_size_bytes, 3 * kMiB + 1024);
  std::vector<uint8_t> hashes;
  for (const uint64_t hash :
       {uint64_t{11}, uint64_t{7}, 7 + kMiB, 7 + 2 * kMiB, 7 + 3 * kMiB, uint64_t{7}}) {
    hashes.resize(hashes.size() + 8);
    StoreLe64(hashes.data() + hashes.size() - 8, hash);
  }
  EXPECT_EQ(unit.stored_xxh3, Xxh3(hashes));
}

TEST(ManifestTest, SizeDoesNotDependOnTheHeadersChecksum) {
  Manifest manifest = Sample();
  const size_t size = Serialize(manifest).size();
  manifest.header_xxh3 = 0;
  EXPECT_EQ(Serialize(manifest).size(), size);
  manifest.header_xxh3 = ~uint64_t{0};
  EXPECT_EQ(Serialize(manifest).size(), size);
}

TEST(ManifestTest, EntrySizesAddUp) {
  Manifest manifest = Sample();
  const size_t size = Serialize(manifest).size();
  const uint64_t unit = SerializedSizeBytes(manifest.units[2]);
  const uint64_t piece = SerializedSizeBytes(manifest.units[0].pieces[2]);
  manifest.units[0].pieces.pop_back();
  // The unit's own length may be coded in fewer bytes.
  EXPECT_NEAR(static_cast<double>(size - Serialize(manifest).size()), static_cast<double>(piece),
              1);
  const size_t rest = Serialize(manifest).size();
  manifest.units.pop_back();
  EXPECT_EQ(rest - Serialize(manifest).size(), unit);
}

struct Lie {
  const char* name;
  std::function<void(Manifest&)> tell;
  const char* message;
  absl::StatusCode code = absl::StatusCode::kDataLoss;
};

class ManifestLieTest : public ::testing::TestWithParam<Lie> {};

TEST_P(ManifestLieTest, IsRefused) {
  Manifest manifest = Sample();
  GetParam().tell(manifest);
  EXPECT_THAT(Parse(Serialize(manifest)), StatusIs(GetParam().code, HasSubstr(GetParam().message)));
}

Piece& Coded(Manifest& m) { return m.units[0].pieces[0]; }
Piece& Raw(Manifest& m) { return m.units[0].pieces[1]; }

const Lie kLies[] = {
    {"ShardIndex", [](Manifest& m) { m.shard_index = 1; }, "number"},
    {"NoShards", [](Manifest& m) { m.shard_count = 0; }, "number"},
    {"NoDirectory", [](Manifest& m) { m.directory.reset(); }, "directory record"},
    {"TwoDirectories", [](Manifest& m) { m.shard_index = 1, m.shard_count = 2; },
     "directory record"},
    {"ShardList", [](Manifest& m) { m.shard_count = 2; }, "list of shards"},
    {"ShardPath", [](Manifest& m) { m.directory->shards[0].file_name = "a/b.safetensors"; },
     "name"},
    {"ShardSuffix", [](Manifest& m) { m.directory->shards[0].file_name = "passwd"; }, "name"},
    {"FileAbove", [](Manifest& m) { m.directory->files[0].path = "../x"; }, "../x"},
    {"FileAbsolute", [](Manifest& m) { m.directory->files[0].path = "/etc/passwd"; }, "passwd"},
    {"FileTwice", [](Manifest& m) { m.directory->files[1].path = "config.json"; }, "config.json"},
    {"FileIsShard", [](Manifest& m) { m.directory->files[1].path = "model.safetensors"; }, "model"},
    {"OriginalAbove", [](Manifest& m) { m.directory->originals[0].path = "a/../../x"; }, "x"},
    {"OriginalTwice", [](Manifest& m) { m.directory->originals[1].path = "config.json"; },
     "config"},
    {"OriginalHuge", [](Manifest& m) { m.directory->originals[0].size_bytes = 1ull << 40; },
     "large"},
    {"OriginalData", [](Manifest& m) { m.directory->originals[1].data_size_bytes = ~0ull; },
     "large"},
    {"OriginalKind",
     [](Manifest& m) { m.directory->originals[0].kind = static_cast<Original::Kind>(9); }, "kind",
     absl::StatusCode::kUnimplemented},
    {"UnitId", [](Manifest& m) { m.units[0].id = "a/b"; }, "a/b"},
    {"UnitIdDots", [](Manifest& m) { m.units[0].id = "a..b"; }, "a..b"},
    {"UnitTwice", [](Manifest& m) { m.units[1].id = "layers.0"; }, "twice"},
    {"UnitUnaligned", [](Manifest& m) { m.units[0].offset_bytes = 4097; }, "offset"},
    {"UnitsOverlap", [](Manifest& m) { m.units[1].offset_bytes = 4096; }, "offset"},
    {"UnitFarAway", [](Manifest& m) { m.units[2].offset_bytes = ~0ull << 12; }, "offset"},
    {"NoTables", [](Manifest& m) { m.units[0].table_sets.clear(); }, "no tables"},
    {"OtherTables", [](Manifest& m) { m.units[0].table_sets[0].codec = Codec::kE5M2; },
     "no tables"},
    {"RawTables", [](Manifest& m) { m.units[0].table_sets[0].codec = Codec::kRaw; }, "table sets"},
    {"TablesTwice",
     [](Manifest& m) {
       m.units[0].table_sets.push_back({Codec::kE4M3, 1});
     },
     "table"},
    {"ZeroTables", [](Manifest& m) { m.units[0].table_sets[0].table_count = 0; }, "tables"},
    {"NineTables", [](Manifest& m) { m.units[0].table_sets[0].table_count = 9; }, "tables"},
    {"ManyTables", [](Manifest& m) { m.units[0].table_sets[0].table_count = ~0u; }, "tables"},
    {"UnknownCodec", [](Manifest& m) { Coded(m).codec = static_cast<Codec>(3); }, "codec 3",
     absl::StatusCode::kUnimplemented},
    {"UnknownDType", [](Manifest& m) { Raw(m).dtype = static_cast<DType>(99); }, "dtype 99",
     absl::StatusCode::kUnimplemented},
    {"CodecOfOther", [](Manifest& m) { Coded(m).dtype = DType::kU8; }, "codec"},
    {"ReservedName", [](Manifest& m) { Raw(m).tensor = "__ecf8__.x"; }, "reserved"},
    {"TensorTwice", [](Manifest& m) { Raw(m).tensor = "coded"; }, "twice"},
    {"ShapeOverflows",
     [](Manifest& m) {
       Raw(m).shape = {1ull << 40, 1ull << 40};
     },
     "shape"},
    {"ShapeTooSmall", [](Manifest& m) { Raw(m).shape = {99}; }, "outside"},
    {"ShapeTooLarge", [](Manifest& m) { Raw(m).shape = {101}; }, "parts"},
    {"OffsetOverflows", [](Manifest& m) { Raw(m).tensor_offset_bytes = ~0ull; }, "outside"},
    {"SizeOverflows", [](Manifest& m) { Raw(m).decoded_size_bytes = ~0ull; }, "outside"},
    {"TooManyChunks",
     [](Manifest& m) {
       Raw(m).chunks.push_back({0, 0});
     },
     "chunks"},
    {"TooFewChunks", [](Manifest& m) { Coded(m).chunks.pop_back(); }, "chunks"},
    {"LargerChunk", [](Manifest& m) { Coded(m).chunks[0].stored_size_bytes = kMiB + 16; },
     "larger"},
    {"OddChunk", [](Manifest& m) { Coded(m).chunks[0].stored_size_bytes = 1000; }, "16"},
    {"EmptyChunk", [](Manifest& m) { Coded(m).chunks[0].stored_size_bytes = 0; }, "16"},
    {"NothingCoded",
     [](Manifest& m) {
       Coded(m) = CodedPiece("coded", 513);
       Coded(m).chunks[0].stored_size_bytes = 513;
     },
     "no coded chunk"},
    {"LargeUnit",
     [](Manifest& m) {
       for (int i = 0; i < 2; ++i) {
         m.units[2].pieces.push_back(RawPiece("x" + std::to_string(i), 200 * kMiB));
       }
     },
     "256 MiB"},
    {"LargePiece", [](Manifest& m) { m.units[2].pieces = {RawPiece("x", 257 * kMiB)}; }, "unit"},
    {"PartMissing", [](Manifest& m) { m.units.pop_back(); }, "incomplete"},
    {"PartsOverlap", [](Manifest& m) { m.units[2].pieces[0].tensor_offset_bytes = 299; }, "order"},
    {"PartsDisagree",
     [](Manifest& m) {
       m.units[2].pieces[0].shape = {300, 2};
     },
     "disagree"},
    {"FirstPartMissing", [](Manifest& m) { m.units.erase(m.units.begin() + 1); }, "beginning"},
    {"PartAfterTheEnd",
     [](Manifest& m) {
       m.units.push_back(m.units[2]);
       m.units[3].id = "x";
       m.units[3].offset_bytes = 10 * kMiB;
     },
     "twice"},
    {"PartBesideWhole", [](Manifest& m) { m.units[2].pieces.push_back(RawPiece("w", 1)); },
     "parts"},
};

INSTANTIATE_TEST_SUITE_P(All, ManifestLieTest, ::testing::ValuesIn(kLies),
                         [](const auto& test) { return test.param.name; });

void Seal(std::string& bytes) {
  auto* data = reinterpret_cast<uint8_t*>(bytes.data());
  StoreLe64(data + bytes.size() - 8, Xxh3({data, bytes.size() - 8}));
}

TEST(ManifestFrameTest, EveryFlippedBitIsNoticed) {
  const std::string bytes = Serialize(Sample());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(Parse(damaged).ok()) << bit;
  }
}

TEST(ManifestFrameTest, EveryLengthButTheRightOneIsRefused) {
  const std::string bytes = Serialize(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    std::string cut = bytes.substr(0, size);
    EXPECT_FALSE(Parse(cut).ok()) << size;
    if (size < 32) continue;
    Seal(cut);
    EXPECT_FALSE(Parse(cut).ok()) << size;
  }
  EXPECT_FALSE(Parse(bytes + '\0').ok());
}

TEST(ManifestFrameTest, OtherVersionsAreRefusedAsSuch) {
  std::string bytes = Serialize(Sample());
  bytes[8] = 2;
  Seal(bytes);
  EXPECT_THAT(Parse(bytes), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("version is 2")));
}

TEST(ManifestFrameTest, ReservedBytesMustBeZero) {
  std::string bytes = Serialize(Sample());
  bytes[12] = 1;
  Seal(bytes);
  EXPECT_FALSE(Parse(bytes).ok());
}

TEST(ManifestFrameTest, BytesThatAreNoProtobuf) {
  std::string bytes = Serialize(Sample());
  for (size_t i = 24; i + 8 < bytes.size(); ++i) bytes[i] = '\xFF';
  Seal(bytes);
  EXPECT_THAT(Parse(bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("protobuf")));
}

TEST(SafePathTest, StaysBelowItsDirectory) {
  for (const char* path : {"a", "a/b", "a b/ü", "...", ".hidden", "a/..b"}) {
    EXPECT_TRUE(IsSafeRelativePath(path)) << path;
  }
  for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b"}) {
    EXPECT_FALSE(IsSafeRelativePath(path)) << path;
  }
  EXPECT_FALSE(IsSafeRelativePath(std::string("a\0b", 3)));
  EXPECT_FALSE(IsSafeRelativePath(std::string(5000, 'a')));
}

}  // namespace
}  // namespace ecf8
