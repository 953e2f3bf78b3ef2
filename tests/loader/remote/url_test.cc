#include "loader/remote/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Url, HasItsParts) {
  const auto url = ParseUrl("HTTPS://Example.COM/a%20b/c?x=1&y=2#z");
  ASSERT_THAT(url, IsOk());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "example.com");
  EXPECT_EQ(url->port, 443);
  EXPECT_EQ(url->path, "/a%20b/c");
  EXPECT_EQ(url->query, "x=1&y=2");
  EXPECT_EQ(url->text(), "https://example.com/a%20b/c?x=1&y=2");
  EXPECT_EQ(url->shown(), "https://example.com/a%20b/c") << "queries hold signatures";
  EXPECT_EQ(ParseUrl("http://h:8080")->text(), "http://h:8080/");
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* text :
       {"", "example.com", "/a", "ftp://h/a", "file:///etc/passwd", "https://", "https://h:0/",
        "https://h:65536/", "https://h:x/", "https://a b/", "https://h/\nX: y", "s3://b/p"}) {
    EXPECT_THAT(ParseUrl(text), StatusIs(absl::StatusCode::kInvalidArgument, _)) << text;
  }
  EXPECT_THAT(ParseUrl("https://h/" + std::string(20'000, 'a')), Not(IsOk()));
  EXPECT_THAT(ParseUrl(std::string("https://h/\0/b", 13)), Not(IsOk()));
}

TEST(Url, ShowsNoPassword) {
  const auto url = ParseUrl("https://user:hunter2@h/a");
  EXPECT_THAT(url, StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("hunter2"))));
}

TEST(Url, KnowsThisMachine) {
  for (const char* text : {"http://localhost/", "http://LOCALHOST:1/", "http://127.0.0.1/",
                           "http://127.200.3.4/", "http://[::1]:80/"}) {
    EXPECT_TRUE(ParseUrl(text)->is_loopback()) << text;
  }
  for (const char* text :
       {"http://localhost.example.com/", "http://127.0.0.1.example.com/", "http://128.0.0.1/",
        "http://127.0.0.example/", "http://[::2]/", "http://example.com/127.0.0.1"}) {
    EXPECT_FALSE(ParseUrl(text)->is_loopback()) << text;
  }
}

TEST(Url, AnOriginIsSchemeHostAndPort) {
  const Url url = *ParseUrl("https://h/a");
  EXPECT_TRUE(url.HasOriginOf(*ParseUrl("https://H:443/b?c")));
  EXPECT_FALSE(url.HasOriginOf(*ParseUrl("http://h/a")));
  EXPECT_FALSE(url.HasOriginOf(*ParseUrl("https://h:444/a")));
  EXPECT_FALSE(url.HasOriginOf(*ParseUrl("https://h.h/a")));
}

TEST(UrlEncoded, EncodesAllButTheUnreserved) {
  EXPECT_EQ(UrlEncoded("aZ09-._~/b c+%?#&=\xC3\xA4", true),
            "aZ09-._~/b%20c%2B%25%3F%23%26%3D%C3%A4");
  EXPECT_EQ(UrlEncoded("a/b", false), "a%2Fb");
}

}  // namespace
}  // namespace ecf8
