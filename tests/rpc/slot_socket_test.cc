// The slot socket: who is given what, and how long they may stay.

#include "rpc/slot_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>

#include "loader/memory/sealed_memory.h"
#include "loader/memory/slot_space.h"
#include "rpc/slot_mapping.h"
#include "tests/rpc/test_server.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::OpenDescriptors;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::Within20s;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kTimeout(20'000);

class SlotSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(slots_.Make("ecf8-test-slots", 3 * kSlotPageBytes), IsOk());
    ASSERT_THAT(generations_.Make("ecf8-test-generations", 4096), IsOk());
  }

  void Start(uid_t owner = geteuid(), size_t max_connections = 4,
             milliseconds patience = milliseconds(20'000)) {
    tickets_.emplace(owner);
    auto started = SlotSocket::Start({.path = path_,
                                      .slots = {.slot_fd = slots_.fd(),
                                                .slot_bytes = slots_.bytes().size(),
                                                .generation_fd = generations_.fd(),
                                                .generation_bytes = generations_.bytes().size()},
                                      .max_connections = max_connections,
                                      .patience = patience},
                                     *tickets_, links_);
    ASSERT_THAT(started, IsOk());
    socket_ = *std::move(started);
  }

  // Says nothing yet.
  int Connect() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  bool HasConnections(size_t count) const {
    return Within20s([&] { return socket_->connection_count() == count; });
  }

  TempDir directory_;
  const std::string path_ = directory_ / "s.sock.slots";
  SealedMemory slots_;
  SealedMemory generations_;
  std::optional<TicketTable> tickets_;
  SlotLinks links_;
  std::unique_ptr<SlotSocket> socket_;
};

TEST_F(SlotSocketTest, GivesTheSlotsToBeRead) {
  Start();
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto mapping = SlotMapping::Connect(path_, kTimeout);
  ASSERT_THAT(mapping, IsOk());
  slots_.bytes().back() = 42;
  EXPECT_EQ((*mapping)->slots().size(), slots_.bytes().size());
  EXPECT_EQ((*mapping)->slots().back(), 42);
  EXPECT_EQ((*mapping)->generations().size(), 3u);
  EXPECT_TRUE(tickets_->Knows((*mapping)->ticket()));
  auto* const memory = const_cast<uint8_t*>((*mapping)->slots().data());
  EXPECT_EQ(mprotect(memory, kSlotPageBytes, PROT_READ | PROT_WRITE), -1);
}

TEST_F(SlotSocketTest, ItsEndVoidsTheTicketAndTheTicketsEndClosesIt) {
  Start();
  auto mapping = SlotMapping::Connect(path_, kTimeout);
  ASSERT_THAT(mapping, IsOk());
  const Ticket ticket = (*mapping)->ticket();
  mapping->reset();
  EXPECT_TRUE(Within20s([&] { return !tickets_->Knows(ticket); }));
  EXPECT_TRUE(HasConnections(0));
  mapping = SlotMapping::Connect(path_, kTimeout);
  ASSERT_THAT(mapping, IsOk());
  EXPECT_TRUE(HasConnections(1));
  tickets_->End((*mapping)->ticket());
  EXPECT_TRUE(HasConnections(0));
}

TEST_F(SlotSocketTest, SilenceIsNotWaitedFor) {
  Start(geteuid(), 4, milliseconds(2000));
  const int silent = Connect();
  const auto idle = SlotMapping::Connect(path_, kTimeout);  // which opens no session
  ASSERT_THAT(idle, IsOk());
  const auto used = SlotMapping::Connect(path_, kTimeout);
  ASSERT_THAT(used, IsOk());
  const Ticket& ticket = (*used)->ticket();
  EXPECT_THAT(
      tickets_->Redeem({reinterpret_cast<const char*>(ticket.data()), ticket.size()}, nullptr),
      IsOk());
  char byte = 0;
  EXPECT_EQ(recv(silent, &byte, 1, 0), 0);
  EXPECT_TRUE(Within20s([&] { return !tickets_->Knows((*idle)->ticket()); }));
  EXPECT_TRUE(HasConnections(1));
  EXPECT_TRUE(tickets_->Knows(ticket));
  close(silent);
}

TEST_F(SlotSocketTest, TakesSoManyConnectionsAndNoMore) {
  Start(geteuid(), 2);
  auto first = SlotMapping::Connect(path_, kTimeout);
  const int silent = Connect();
  ASSERT_TRUE(HasConnections(2));
  EXPECT_THAT(SlotMapping::Connect(path_, kTimeout),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("try again later")));
  close(silent);
  ASSERT_TRUE(HasConnections(1));
  EXPECT_THAT(SlotMapping::Connect(path_, kTimeout), IsOk());
}

TEST_F(SlotSocketTest, NonsenseIsRefused) {
  Start();
  const int fd = Connect();
  ASSERT_EQ(send(fd, "GET / HTTP/1.1\r\n", 16, 0), 16);
  SlotReply reply;
  EXPECT_EQ(recv(fd, &reply, sizeof(reply), MSG_WAITALL), static_cast<ssize_t>(sizeof(reply)));
  EXPECT_EQ(reply.code, static_cast<uint32_t>(absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(HasConnections(0));
  close(fd);
}

TEST_F(SlotSocketTest, SlotsOfAnotherUserAreNotGiven) {
  Start(geteuid() + 1);
  EXPECT_THAT(SlotMapping::Connect(path_, kTimeout),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("another user's")));
}

// The other way round, as another user: what decides is who connects.
TEST_F(SlotSocketTest, AnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  Start();
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    const bool other = setgid(65534) == 0 && setuid(65534) == 0;
    const auto mapping = SlotMapping::Connect(path_, kTimeout);
    _exit(other && absl::IsPermissionDenied(mapping.status()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(SlotSocketTest, LeavesNoDescriptors) {
  Start();
  SlotMapping::Connect(path_, kTimeout).IgnoreError();
  ASSERT_TRUE(HasConnections(0));
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(SlotMapping::Connect(path_, kTimeout), IsOk());
    ASSERT_TRUE(HasConnections(0));
  }
  EXPECT_EQ(OpenDescriptors(), before);
  socket_.reset();
  EXPECT_LT(OpenDescriptors(), before);
}

}  // namespace
}  // namespace ecf8
