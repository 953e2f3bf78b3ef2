#include "decoder/checksum.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

TEST(ChecksumTest, IsXxh3WithSeedZero) { EXPECT_EQ(Xxh3({}), 0x2D06800538D394C2ULL); }

TEST(ChecksumTest, StreamsToTheSameHashHoweverItIsCut) {
  const std::vector<uint8_t> bytes = MakeWeights("noise", Codec::kE4M3, 10'000, 3);
  TestRandom random(4);
  for (int round = 0; round < 20; ++round) {
    Xxh3Stream stream;
    absl::Span<const uint8_t> rest = bytes;
    while (!rest.empty()) {
      const size_t size = 1 + random.Below(rest.size());
      stream.Update(rest.subspan(0, size));
      rest.remove_prefix(size);
      stream.Update({});
    }
    EXPECT_EQ(stream.Digest(), Xxh3(bytes));
  }
}

TEST(ChecksumTest, GoesOnAfterDigestAndMove) {
  const std::vector<uint8_t> bytes = MakeWeights("noise", Codec::kE4M3, 1000, 5);
  Xxh3Stream first;
  first.Update(absl::MakeSpan(bytes).subspan(0, 300));
  EXPECT_EQ(first.Digest(), Xxh3(absl::MakeSpan(bytes).subspan(0, 300)));
  Xxh3Stream second = std::move(first);
  second.Update(absl::MakeSpan(bytes).subspan(300));
  EXPECT_EQ(second.Digest(), Xxh3(bytes));
}

}  // namespace
}  // namespace ecf8
