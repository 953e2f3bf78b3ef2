#include "loader/remote/http_fields.h"

#include <gtest/gtest.h>

namespace ecf8 {
namespace {

constexpr char kDate[] = "Sun, 06 Nov 1994 08:49:37 GMT";

TEST(ContentRange, IsReadExactly) {
  EXPECT_EQ(ParseContentRange("bytes 100-199/5000"), (ContentRange{100, 100, 5000}));
  EXPECT_EQ(ParseContentRange("bytes 0-0/1"), (ContentRange{0, 1, 1}));
  EXPECT_EQ(ParseContentRange(" bytes 4999-4999/5000 "), (ContentRange{4999, 1, 5000}));
}

TEST(ContentRange, IsNothingElse) {
  for (const char* value :
       {"", "bytes", "bytes 0-1/*", "bytes */5000", "bytes 5-4/10", "bytes 0-10/10", "bytes -1-2/9",
        "bytes 0-1/2x", "bytes 0 - 1/2", "items 0-1/2", "bytes 0-18446744073709551616/9",
        "bytes 0-4611686018427387905/4611686018427387906"}) {
    EXPECT_EQ(ParseContentRange(value), std::nullopt) << value;
  }
}

TEST(RetryAfter, IsSecondsOrADateBesideTheAnswersOwn) {
  EXPECT_EQ(ParseRetryAfterMs("0", ""), 0);
  EXPECT_EQ(ParseRetryAfterMs("120", ""), 120'000);
  EXPECT_EQ(ParseRetryAfterMs("4611686018427387903", ""), (int64_t{1} << 31) * 1000);
  EXPECT_EQ(ParseRetryAfterMs("Sun, 06 Nov 1994 08:50:00 GMT", kDate), 23'000);
  EXPECT_EQ(ParseRetryAfterMs("Sun, 06 Nov 1994 08:00:00 GMT", kDate), 0) << "it has passed";
}

TEST(RetryAfter, IsNothingElse) {
  for (const char* value : {"", "-1", "1.5", "soon", "99999999999999999999", "08:49:37"}) {
    EXPECT_EQ(ParseRetryAfterMs(value, kDate), std::nullopt) << value;
  }
  EXPECT_EQ(ParseRetryAfterMs(kDate, ""), std::nullopt) << "no clock of ours is asked";
}

TEST(Link, FindsTheNextPage) {
  EXPECT_EQ(NextLink("<https://h/a?cursor=1>; rel=\"next\""), "https://h/a?cursor=1");
  EXPECT_EQ(NextLink("<https://h/0>; rel=\"prev\", <https://h/2>; rel=\"next\""), "https://h/2");
  for (const char* value : {"", "<https://h/0>; rel=\"prev\"", "<https://h", "https://h/2", "<>"}) {
    EXPECT_EQ(NextLink(value), "") << value;
  }
}

}  // namespace
}  // namespace ecf8
