#include "tools/ecf8/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Clock = ProgressReporter::Clock;

Clock::time_point fake_now;

// What a reporter writes, with a clock that stands still until it is moved.
class ProgressTest : public ::testing::Test {
 protected:
  ProgressTest() : out_(open_memstream(&text_, &size_)) { fake_now = Clock::time_point(); }
  ~ProgressTest() override {
    std::fclose(out_);
    std::free(text_);
  }

  static Clock::time_point Now() { return fake_now; }
  static void Sleep(double seconds) {
    fake_now += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  std::string Text() {
    std::fflush(out_);
    return std::string(text_, size_);
  }
  static long Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

  char* text_ = nullptr;
  size_t size_ = 0;
  std::FILE* out_;
};

TEST_F(ProgressTest, PlainLinesComeAtEveryTenthAndAreWhole) {
  ProgressReporter progress("compress", out_, 0, &Now);
  for (int i = 0; i <= 1000; ++i) {
    Sleep(0.001);
    progress.Update(static_cast<uint64_t>(i) * 1'000'000, 1'000'000'000);
  }
  progress.Finish();
  EXPECT_EQ(Lines(Text()), 10);
  EXPECT_THAT(Text(), HasSubstr("compress: 10%, "));
  EXPECT_THAT(Text(), HasSubstr("compress: 100%, "));
  EXPECT_THAT(Text(), Not(HasSubstr("\r")));
  EXPECT_THAT(Text(), HasSubstr("/s, "));
  EXPECT_THAT(Text(), HasSubstr(" left"));
}

TEST_F(ProgressTest, PlainLinesComeWhenLittleMoves) {
  ProgressReporter progress("compress", out_, 0, &Now);
  for (int i = 1; i <= 10; ++i) {
    Sleep(2);
    progress.Update(static_cast<uint64_t>(i), 1'000'000);
  }
  EXPECT_EQ(Lines(Text()), 3);  // after 6, 12 and 18 seconds
  progress.Finish();
  EXPECT_EQ(Lines(Text()), 4);
}

TEST_F(ProgressTest, TheTerminalsLineIsRedrawnAndFits) {
  ProgressReporter progress("fetch", out_, 60, &Now);
  for (int i = 0; i <= 100; ++i) {
    progress.Update(static_cast<uint64_t>(i) * 10'000'000, 1'000'000'000);
    Sleep(0.05);
  }
  progress.Finish();
  const std::string text = Text();
  EXPECT_EQ(Lines(text), 1);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_THAT(text, HasSubstr("100% "));
  const long draws = std::count(text.begin(), text.end(), '\r');
  EXPECT_GE(draws, 45);  // 5 s, at most one in 0.1 s
  EXPECT_LE(draws, 55);
  size_t begin = 0;
  while ((begin = text.find('\r', begin)) != text.npos) {
    const size_t end = text.find("\x1b[K", begin);
    ASSERT_NE(end, text.npos);
    EXPECT_LT(end - begin - 1, 60u);
    begin = end;
  }
}

TEST_F(ProgressTest, NothingToDoAndNothingDoneAreFine) {
  { ProgressReporter unused("x", out_, 0, &Now); }
  EXPECT_EQ(Text(), "");
  ProgressReporter progress("x", out_, 0, &Now);
  progress.Update(0, 0);
  progress.Finish();
  progress.Finish();
  EXPECT_EQ(Lines(Text()), 1);
  EXPECT_THAT(Text(), HasSubstr("100%"));
}

}  // namespace
}  // namespace ecf8
