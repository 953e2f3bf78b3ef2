#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "decoder/checksum.h"
#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::IsEmpty;
using testing::IsOk;
using testing::ReadFile;
using testing::ReadTree;
using testing::TempDir;

constexpr char kGolden[] = ECF8_SOURCE_DIR "/tests/golden/model";

std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden + ("/" + folder))) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string TestName(const ::testing::TestParamInfo<std::string>& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class GoldenValidTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenValidTest, IsReadAsItWasWritten) {
  const std::string model = kGolden + ("/valid/" + GetParam());
  const auto report = VerifyModel(model, "", {});
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->problems, IsEmpty());
  TempDir dir;
  ASSERT_THAT(DecompressModel(model, dir / "restored", {}), IsOk());
  std::string restored;
  for (const auto& [path, bytes] : ReadTree(dir / "restored")) {
    const absl::Span<const uint8_t> span(reinterpret_cast<const uint8_t*>(bytes.data()),
                                         bytes.size());
    restored += absl::StrFormat("%016x %d %s\n", Xxh3(span), bytes.size(), path);
  }
  EXPECT_EQ(restored, ReadFile(model + ".expected"));
}

INSTANTIATE_TEST_SUITE_P(All, GoldenValidTest, ::testing::ValuesIn(Names("valid")), TestName);

class GoldenRejectTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenRejectTest, IsRefused) {
  const std::string model = kGolden + ("/must_reject/" + GetParam());
  const auto report = VerifyModel(model, "", {});
  EXPECT_TRUE(!report.ok() || report->problem_count > 0);
  TempDir dir;
  const auto restored = DecompressModel(model, dir / "restored", {});
  // Padding, and the header's entries, are of no use to a reader: only `verify` looks at them.
  const bool is_harmless = GetParam() == "flip-padding";
  EXPECT_EQ(restored.ok(), is_harmless) << restored.status();
  EXPECT_EQ(std::filesystem::exists(dir / "restored"), is_harmless);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenRejectTest, ::testing::ValuesIn(Names("must_reject")),
                         TestName);

}  // namespace
}  // namespace ecf8
