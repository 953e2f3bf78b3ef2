#include "rpc/listening_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "rpc/connection_table.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST(ListeningSockets, TcpTakesAFreePortAndNoOthers) {
  Address address{.host = "127.0.0.1"};
  const auto sockets = ListenOnTcp(&address);
  ASSERT_THAT(sockets, IsOk());
  ASSERT_EQ(sockets->size(), 1u);
  EXPECT_TRUE(IsListener(sockets->front().get()));
  EXPECT_NE(address.port, 0);
  Address same = address;
  EXPECT_THAT(ListenOnTcp(&same),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
  Address nowhere{.host = "192.0.2.1", .port = 0};
  EXPECT_THAT(ListenOnTcp(&nowhere),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("192.0.2.1")));
  Address unknown{.host = "no-such-host.invalid", .port = 0};
  EXPECT_THAT(ListenOnTcp(&unknown),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no-such-host")));
}

TEST(ListeningSockets, FindsThoseThatWerePassed) {
  const testing::TempDir directory;
  std::vector<Descriptor> passed;
  passed.push_back(*ListenOnUnix(directory / "a", std::nullopt));
  passed.push_back(*ListenOnUnix(directory / "b", std::nullopt));
  Address tcp{.host = "127.0.0.1"};
  std::vector<Descriptor> at_port = *ListenOnTcp(&tcp);
  passed.push_back(std::move(at_port.front()));
  EXPECT_TRUE(TakeListeners({.socket_path = directory / "c"}, &passed).empty());
  EXPECT_TRUE(TakeListeners({.host = "127.0.0.1", .port = 0}, &passed).empty());
  const int b = passed[1].get();
  const auto taken = TakeListeners({.socket_path = directory / "b"}, &passed);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].get(), b);
  EXPECT_EQ(TakeListeners({.host = "localhost", .port = tcp.port}, &passed).size(), 1u);
  EXPECT_EQ(passed.size(), 1u);
}

TEST(ListeningSockets, OtherDescriptorsAreNone) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  EXPECT_FALSE(IsListener(pair[0]));
  close(pair[0]);
  close(pair[1]);
  EXPECT_FALSE(IsListener(pair[0]));
  const Descriptor datagram(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(IsListener(datagram.get()));
}

class ConnectionTableTest : public ::testing::Test {
 protected:
  Descriptor Socket() const { return Descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

  ConnectionTable table_{{.max_connections = 3, .max_peer_connections = 2}};
  ConnectionTable::Clock::time_point now_{};
};

TEST_F(ConnectionTableTest, CountsAllAndThoseOfAPeer) {
  const Descriptor one = Socket(), two = Socket(), three = Socket(), four = Socket();
  EXPECT_TRUE(table_.TryAdd(one.get(), "a", now_));
  EXPECT_TRUE(table_.TryAdd(two.get(), "a", now_));
  EXPECT_FALSE(table_.TryAdd(three.get(), "a", now_ += milliseconds(100)));
  EXPECT_TRUE(table_.TryAdd(three.get(), "b", now_ += milliseconds(100)));
  EXPECT_FALSE(table_.TryAdd(four.get(), "c", now_ += milliseconds(100)));
  EXPECT_EQ(table_.Open().size(), 3u);
  EXPECT_FALSE(table_.TryAdd(-1, "d", now_));
}

TEST_F(ConnectionTableTest, WhoIsGoneMakesRoomWhateverTookItsDescriptor) {
  Descriptor one = Socket(), two = Socket();
  EXPECT_TRUE(table_.TryAdd(one.get(), "a", now_));
  EXPECT_TRUE(table_.TryAdd(two.get(), "a", now_));
  const int number = one.get();
  one = Descriptor();
  const Descriptor other = Socket();
  EXPECT_EQ(other.get(), number) << "the lowest that is free";
  EXPECT_TRUE(table_.TryAdd(other.get(), "a", now_ += milliseconds(100)));
  EXPECT_EQ(table_.Open().size(), 2u);
  const Descriptor third = Socket();
  EXPECT_FALSE(table_.TryAdd(third.get(), "a", now_ += milliseconds(100)));
  two = Descriptor();
  EXPECT_FALSE(table_.TryAdd(third.get(), "a", now_)) << "it has just looked";
  EXPECT_TRUE(table_.TryAdd(third.get(), "a", now_ += milliseconds(100)));
}

TEST(PeerOf, TellsUsersAndAddressesApart) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const Descriptor one(pair[0]), two(pair[1]);
  EXPECT_EQ(PeerOf(one.get()), "user " + std::to_string(geteuid()));
  EXPECT_EQ(PeerOf(-1), "");
}

}  // namespace
}  // namespace ecf8
