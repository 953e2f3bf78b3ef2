#include "loader/remote/http_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = HttpJudgement::Kind;
using absl::StatusCode;

const HttpRange kRange = {.offset_bytes = 10, .size_bytes = 5};

HttpAnswer Part() {
  return {.code = 206, .content_range = "bytes 10-14/100", .content_length = 5, .body_bytes = 5};
}

TEST(HttpAnswer, APartHasComeWhole) {
  const HttpJudgement judgement = Judge(Part(), kRange);
  EXPECT_EQ(judgement.kind, Kind::kDone);
  EXPECT_EQ(judgement.object_size_bytes, 100u);
}

TEST(HttpAnswer, TheWholeFileIsItsOnlyPart) {
  HttpAnswer answer = {.code = 200, .content_length = 5, .body_bytes = 5};
  EXPECT_EQ(Judge(answer, HttpRange{0, 5}).kind, Kind::kDone);
  EXPECT_EQ(Judge(answer, HttpRange{0, 5}).object_size_bytes, 5u);
  // One that knows no ranges.
  answer.content_length = 100;
  EXPECT_EQ(Judge(answer, HttpRange{0, 5}).kind, Kind::kRefused);
  answer.content_length = std::nullopt;
  EXPECT_EQ(Judge(answer, HttpRange{0, 5}).kind, Kind::kRefused);
  answer.content_length = 5;
  const HttpJudgement other = Judge(answer, kRange);
  EXPECT_EQ(other.kind, Kind::kRefused);
  EXPECT_THAT(other.status, StatusIs(StatusCode::kFailedPrecondition, HasSubstr("parts of files")));
}

TEST(HttpAnswer, AnotherPartThanWasAskedForIsNone) {
  for (const char* range : {"", "bytes 11-15/100", "bytes 10-15/100", "bytes 10-13/100",
                            "bytes 10-14/*", "bytes 10-14/14"}) {
    HttpAnswer answer = Part();
    answer.content_range = range;
    EXPECT_FALSE(IsObjectBody(answer, kRange)) << range;
    const HttpJudgement judgement = Judge(answer, kRange);
    EXPECT_EQ(judgement.kind, Kind::kRetry) << range;
    EXPECT_EQ(judgement.status.code(), StatusCode::kDataLoss) << range;
  }
}

TEST(HttpAnswer, AShortBodyIsAskedForAgain) {
  HttpAnswer answer = Part();
  answer.body_bytes = 4;
  const HttpJudgement judgement = Judge(answer, kRange);
  EXPECT_EQ(judgement.kind, Kind::kRetry);
  EXPECT_THAT(judgement.status, StatusIs(StatusCode::kUnavailable, HasSubstr("4 of 5")));
}

TEST(HttpAnswer, CodesAreNamedAndWhatMayPassIsTriedAgain) {
  const struct {
    int code;
    Kind kind;
    StatusCode status;
  } kCases[] = {
      {401, Kind::kRefused, StatusCode::kUnauthenticated},
      {403, Kind::kRefused, StatusCode::kPermissionDenied},
      {404, Kind::kRefused, StatusCode::kNotFound},
      {416, Kind::kRefused, StatusCode::kDataLoss},
      {418, Kind::kRefused, StatusCode::kFailedPrecondition},
      {204, Kind::kRefused, StatusCode::kFailedPrecondition},
      {429, Kind::kRetry, StatusCode::kUnavailable},
      {500, Kind::kRetry, StatusCode::kUnavailable},
      {503, Kind::kRetry, StatusCode::kUnavailable},
  };
  for (const auto& test : kCases) {
    HttpAnswer answer = {.code = test.code, .retry_after = "7"};
    answer.error_body = "<Code>SlowDown</Code>";
    const HttpJudgement judgement = Judge(answer, kRange);
    EXPECT_EQ(judgement.kind, test.kind) << test.code;
    EXPECT_THAT(judgement.status, StatusIs(test.status, HasSubstr(std::to_string(test.code))));
    EXPECT_THAT(judgement.status, StatusIs(test.status, HasSubstr("SlowDown")));
    EXPECT_EQ(judgement.retry_after_ms, 7000) << test.code;
  }
}

TEST(HttpAnswer, RedirectsNeverLeadFromHttpsToHttp) {
  const auto check = [](const char* from, const char* to, bool insecure) {
    return CheckRedirect(*ParseUrl(from), *ParseUrl(to), insecure);
  };
  EXPECT_THAT(check("https://a/", "https://b/", false), IsOk());
  EXPECT_THAT(check("http://localhost/", "https://b/", false), IsOk());
  EXPECT_THAT(check("http://localhost/", "http://127.0.0.1/", false), IsOk());
  EXPECT_THAT(check("https://a/", "http://a/", false), Not(IsOk()));
  EXPECT_THAT(check("https://a/", "http://localhost/", false), Not(IsOk()));
  EXPECT_THAT(check("https://a/", "http://a/", true), Not(IsOk()));
  EXPECT_THAT(check("http://localhost/", "http://a/", false), Not(IsOk()));
  EXPECT_THAT(check("http://localhost/", "http://a/", true), IsOk());
}

TEST(HttpAnswer, PlainHttpStaysOnThisMachine) {
  EXPECT_THAT(CheckEncrypted(*ParseUrl("https://a/"), false), IsOk());
  EXPECT_THAT(CheckEncrypted(*ParseUrl("http://localhost/"), false), IsOk());
  EXPECT_THAT(CheckEncrypted(*ParseUrl("http://a/"), true), IsOk());
  EXPECT_THAT(CheckEncrypted(*ParseUrl("http://a/"), false),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("--insecure")));
}

TEST(HttpAnswer, ARedirectToNowhereSaysWhatTheServerSays) {
  const HttpJudgement judgement =
      Judge({.code = 301, .error_body = "<Code>PermanentRedirect</Code>"}, {});
  EXPECT_EQ(judgement.kind, Kind::kRefused);
  EXPECT_THAT(judgement.status,
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("PermanentRedirect")));
}

}  // namespace
}  // namespace ecf8
