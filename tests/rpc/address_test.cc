#include "rpc/address.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace ecf8 {
namespace {

TEST(Address, ParsesUnixSockets) {
  const auto address = ParseAddress("unix:/run/a b%c.sock");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(address->is_unix());
  EXPECT_EQ(address->socket_path, "/run/a b%c.sock");
  EXPECT_EQ(address->ToString(), "unix:/run/a b%c.sock");
  EXPECT_EQ(address->ToGrpcTarget(), "unix:/run/a%20b%25c.sock");
}

TEST(Address, ParsesHostAndPort) {
  const auto address = ParseAddress("example.org:50051");
  ASSERT_TRUE(address.ok());
  EXPECT_FALSE(address->is_unix());
  EXPECT_EQ(address->host, "example.org");
  EXPECT_EQ(address->port, 50051);
  EXPECT_EQ(address->ToString(), "example.org:50051");
  EXPECT_EQ(address->ToGrpcTarget(), "example.org:50051");
}

TEST(Address, ParsesIpv6InBrackets) {
  const auto address = ParseAddress("[::1]:7");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(address->ToString(), "[::1]:7");
}

TEST(Address, ParsesWhereTlsIsSpoken) {
  const auto address = ParseAddress("tls:[::1]:7");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(address->tls);
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(address->port, 7);
  EXPECT_EQ(address->ToString(), "tls:[::1]:7");
  EXPECT_EQ(address->ToGrpcTarget(), "[::1]:7");
  EXPECT_FALSE(ParseAddress("example.org:7")->tls);
}

TEST(Address, RefusesTheRest) {
  for (const char* text :
       {"", "unix:", "host", "host:", ":1", "host:65536", "host:-1", "host:1x", "::1:7", "[]:7",
        "ho st:1", "h/st:1", "host: 1", "tls:host", "tls::1", "tls:unix:/s"}) {
    EXPECT_EQ(ParseAddress(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(ParseAddress(std::string_view("unix:a\0b", 8)).ok());
  EXPECT_FALSE(ParseAddress("unix:/" + std::string(107, 'x')).ok());
  EXPECT_TRUE(ParseAddress("unix:/" + std::string(106, 'x')).ok());
}

TEST(Address, DefaultIsTheUsersOwn) {
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
  EXPECT_EQ(DefaultAddress().socket_path, "/run/user/7/ecf8/ecf8d.sock");
  EXPECT_TRUE(IsDefaultAddress(*ParseAddress("unix:/run/user/7/ecf8/ecf8d.sock")));
  EXPECT_FALSE(IsDefaultAddress(*ParseAddress("unix:/run/user/8/ecf8/ecf8d.sock")));
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
  const std::string fallback = "/tmp/ecf8-" + std::to_string(getuid()) + "/ecf8d.sock";
  EXPECT_EQ(DefaultAddress().socket_path, fallback);
  ASSERT_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
  EXPECT_EQ(DefaultAddress().socket_path, fallback);
}

}  // namespace
}  // namespace ecf8
