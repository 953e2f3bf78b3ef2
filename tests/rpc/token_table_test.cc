#include "rpc/token_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kBad = absl::StatusCode::kInvalidArgument;
// SHA-256 of "test", by sha256sum.
constexpr char kTestHash[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

TEST(TokenTable, FindsWhoHoldsAToken) {
  const auto table = TokenTable::Parse("# ours\n\nci read,preload b,a " + std::string(kTestHash) +
                                       "  # until 2027\r\n");
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->size(), 1u);
  const auto ci = table->Find("test");
  ASSERT_TRUE(ci.has_value());
  EXPECT_EQ(ci->name, "ci");
  EXPECT_TRUE(ci->May(Scope::kRead) && ci->May(Scope::kPreload));
  EXPECT_FALSE(ci->May(Scope::kAdmin));
  EXPECT_TRUE(ci->MaySee("a") && ci->MaySee("b"));
  EXPECT_FALSE(ci->MaySee("c") || ci->MaySee("") || ci->MaySee("*"));
  for (const std::string wrong : {"", "tes", "test ", "Test", kTestHash}) {
    EXPECT_FALSE(table->Find(wrong).has_value()) << wrong;
  }
  EXPECT_FALSE(TokenTable().Find("").has_value());
}

TEST(TokenTable, AMadeTokenIsFound) {
  const auto made = MakeToken("ops", "admin", "*");
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->token.size(), 64u);
  EXPECT_THAT(made->line, Not(HasSubstr(made->token)));
  const auto table = TokenTable::Parse("ci read a " + std::string(kTestHash) + "\n" + made->line);
  ASSERT_THAT(table, IsOk());
  const auto ops = table->Find(made->token);
  ASSERT_TRUE(ops.has_value());
  EXPECT_EQ(ops->name, "ops");
  EXPECT_TRUE(ops->May(Scope::kAdmin) && ops->MaySee("anything"));
  EXPECT_FALSE(ops->May(Scope::kRead));
  EXPECT_NE(MakeToken("ops", "admin", "*")->token, made->token);
  EXPECT_THAT(MakeToken("two words", "admin", "*"), StatusIs(kBad, HasSubstr("NAME")));
  EXPECT_THAT(MakeToken("#", "admin", "*"), StatusIs(kBad, HasSubstr("word")));
}

TEST(TokenTable, NamesTheLineThatIsWrong) {
  const std::string good = "ci read a " + std::string(kTestHash) + "\n";
  EXPECT_THAT(TokenTable::Parse(good + "x read a"), StatusIs(kBad, HasSubstr("line 2: want NAME")));
  EXPECT_THAT(TokenTable::Parse("x write a " + std::string(kTestHash)),
              StatusIs(kBad, HasSubstr("\"write\"")));
  EXPECT_THAT(TokenTable::Parse("x read a " + std::string(kTestHash).substr(1)),
              StatusIs(kBad, HasSubstr("SHA-256")));
  EXPECT_THAT(TokenTable::Parse("x read a " + std::string(64, 'g')),
              StatusIs(kBad, HasSubstr("SHA-256")));
  EXPECT_THAT(TokenTable::Parse(std::string(TokenTable::kMaxFileBytes + 1, '\n')),
              StatusIs(kBad, HasSubstr("more than")));
  testing::TempDir directory;
  EXPECT_THAT(TokenTable::Read(directory / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  testing::WriteFile(directory / "tokens", "nonsense\n");
  EXPECT_THAT(TokenTable::Read(directory / "tokens"), StatusIs(kBad, HasSubstr("tokens: line 1")));
}

}  // namespace
}  // namespace ecf8
