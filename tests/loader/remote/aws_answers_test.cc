#include "loader/remote/aws_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using absl::StatusCode;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(AwsAnswers, KeysInJson) {
  const auto key = ParseAwsKeyJson(
      R"({"Code": "Success", "AccessKeyId": "AKID", "SecretAccessKey": "s/+=", "Token": "t",
          "Expiration": "2026-11-26T00:00:00Z", "More": {"AccessKeyId": "another's"}})");
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->id, "AKID");
  EXPECT_EQ(key->secret, "s/+=");
  EXPECT_EQ(key->session_token, "t");
  EXPECT_EQ(ParseAwsKeyJson(R"({"AccessKeyId": "a", "SecretAccessKey": "b"})")->session_token, "");
  for (const char* other :
       {"", "[]", "{}", R"({"AccessKeyId": "hidden"})", R"({"AccessKeyId": "hidden"]})",
        R"({"AccessKeyId": "hid\nden", "SecretAccessKey": "hidden"})",
        R"({"AccessKeyId": "a", "SecretAccessKey": "hidden\r\nX: y"})",
        R"({"AccessKeyId": "a", "SecretAccessKey": "hidden", "Token": "a b"})"}) {
    EXPECT_THAT(ParseAwsKeyJson(other),
                StatusIs(StatusCode::kInvalidArgument, Not(HasSubstr("hidden"))))
        << other;
  }
}

TEST(AwsAnswers, KeysInXml) {
  const auto key = ParseAwsKeyXml(
      "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
      "<Credentials><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>a&lt;&amp;lt;</SecretAccessKey>"
      "<SessionToken>t==</SessionToken></Credentials></AssumeRoleWithWebIdentityResponse>");
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->id, "AKID");
  EXPECT_EQ(key->secret, "a<&lt;");
  EXPECT_EQ(key->session_token, "t==");
  EXPECT_EQ(XmlText("<Code>x</Code>", "Code"), "x");
  for (const char* none :
       {"", "<Code>", "<Code>x", "<Code>x<b/></Code>", "<Code>x</Cod", "<code>x</code>"}) {
    EXPECT_EQ(XmlText(none, "Code"), "") << none;
  }
  EXPECT_THAT(ParseAwsKeyXml("<AccessKeyId>a</AccessKeyId>"),
              StatusIs(StatusCode::kInvalidArgument, _));
}

TEST(AwsAnswers, SectionsOfFiles) {
  const std::string file =
      "# a file\n"
      "[default]\r\n"
      "aws_access_key_id = A \r\n"
      "Region=eu-west-1\n"
      "s3 =\n"
      "  region = nested\n"
      "; note = 1\n"
      "nothing\n"
      "[ profile other ]\n"
      "aws_access_key_id=B=\n"
      "[default]\n"
      "region = later\n";
  const AwsSection section = ParseAwsSection(file, "default");
  EXPECT_TRUE(section.exists);
  EXPECT_EQ(section.Get("aws_access_key_id"), "A");
  EXPECT_EQ(section.Get("region"), "later");
  EXPECT_EQ(section.Get("s3"), "");
  EXPECT_EQ(section.Get("note"), "");
  EXPECT_EQ(ParseAwsSection(file, "profile other").Get("aws_access_key_id"), "B=");
  EXPECT_FALSE(ParseAwsSection(file, "other").exists);
  EXPECT_FALSE(ParseAwsSection("", "default").exists);
}

}  // namespace
}  // namespace ecf8
