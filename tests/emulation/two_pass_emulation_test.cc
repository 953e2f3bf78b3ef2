// The peer's kernel of tools/gpu_bench, in the emulator: a measurement beside a kernel that is
// wrong would say nothing.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"
#include "tests/emulation/device_memory.h"
#include "tests/emulation/warp_emulator.h"
#include "tests/support/golden_chunks.h"
#include "tools/gpu_bench/two_pass_code.h"
#include "tools/gpu_bench/two_pass_cuda.h"

namespace ecf8::emulation {
namespace {

using Access = DeviceBuffer::Access;
using Bytes = std::vector<uint8_t>;

absl::Span<const uint8_t> BytesOf(const std::vector<uint64_t>& numbers) {
  return {reinterpret_cast<const uint8_t*>(numbers.data()), numbers.size() * sizeof(uint64_t)};
}

// Every buffer has exactly the size that the contract asks for.
void ExpectDecodes(const Bytes& weights, const std::string& what) {
  TwoPassCode code = EncodeTwoPass(weights);
  const auto blocks = static_cast<uint32_t>(code.block_count());
  code.words.insert(code.words.end(), 4, 0xFF);
  DeviceBuffer words(code.words, Access::kRead);
  DeviceBuffer gaps(code.gaps, Access::kRead);
  DeviceBuffer raw(code.raw, Access::kRead);
  DeviceBuffer first(BytesOf(code.first), Access::kRead);
  DeviceBuffer luts(code.luts, Access::kRead);
  DeviceBuffer out(weights.size(), Access::kReadWrite);
  std::fill(out.span().begin(), out.span().end(), 0xA5);
  Device().max_threads = kTwoPassThreads;
  const int error = LaunchTwoPassDecode({.words_dev = words.data(),
                                         .gaps_dev = gaps.data(),
                                         .raw_dev = raw.data(),
                                         .first_dev = first.data(),
                                         .luts_dev = luts.data(),
                                         .out_dev = out.data(),
                                         .luts_bytes = static_cast<uint32_t>(code.luts.size()),
                                         .max_block_weights = code.max_block_weights(),
                                         .block_count = blocks},
                                        nullptr);
  ASSERT_EQ(error, 0) << what << ": " << LaunchError();
  const auto [wrong, wanted] = std::mismatch(out.span().begin(), out.span().end(), weights.begin());
  ASSERT_EQ(wrong, out.span().end()) << what << ", weight " << wanted - weights.begin();
}

TEST(TwoPassEmulationTest, DecodesEveryKindOfWeights) {
  uint64_t seed = 0;
  for (const std::string_view kind : WeightKinds()) {
    for (const size_t size : {1, 7, 8, 9, 255, 4097, 20'000}) {
      Device().schedule = ++seed;
      ExpectDecodes(MakeWeights(kind, Codec::kE4M3, size, seed),
                    std::string(kind) + " " + std::to_string(size));
      if (HasFatalFailure()) return;
    }
  }
}

// Words of all lengths begin at all bits of windows, and end in the next block.
TEST(TwoPassEmulationTest, DecodesRandomMixtures) {
  TestRandom random(1);
  for (int round = 0; round < 40; ++round) {
    Bytes weights(1 + random.Below(12'000));
    const uint64_t rarity = random.Below(16);
    for (uint8_t& weight : weights) {
      const auto exponent = std::min<uint64_t>(
          15, static_cast<uint64_t>(__builtin_ctzll(random.Next() | uint64_t{1} << 63) +
                                    static_cast<int>(rarity)) %
                  16);
      weight = static_cast<uint8_t>((random.Next() & 0x87) | exponent << 3);
    }
    Device().schedule = static_cast<uint64_t>(round);
    ExpectDecodes(weights, "round " + std::to_string(round));
    if (HasFatalFailure()) return;
  }
}

TEST(TwoPassEmulationTest, DecodesTheWeightsOfGoldenChunks) {
  for (const testing::GoldenChunk& golden : testing::GoldenChunks()) {
    if (golden.codec != Codec::kE4M3) continue;
    const Bytes weights = testing::OracleWeights(golden);
    ASSERT_EQ(weights.size(), golden.weights);
    ExpectDecodes(weights, golden.name);
    if (HasFatalFailure()) return;
  }
}

// Otherwise the peer would be measured with a worse code than its own.
TEST(TwoPassCodeTest, TakesWhatTheExponentsEntropyAllows) {
  const Bytes weights = MakeWeights("gaussian", Codec::kE4M3, 1 << 20, 1);
  const TwoPassCode code = EncodeTwoPass(weights);
  const double bits = 8.0 * static_cast<double>(code.words.size()) / (1 << 20);
  EXPECT_LT(bits, 3.0);
  EXPECT_EQ(code.stored_bytes() > weights.size() / 2 + code.words.size(), true);
}

}  // namespace
}  // namespace ecf8::emulation
