#include "rpc/unix_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

// A socket bound to `path`; with `listening`, somebody is there.
int BindSocket(const std::string& path, bool listening) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  if (listening) {
    EXPECT_EQ(listen(fd, 1), 0);
  }
  return fd;
}

class SocketClaimTest : public ::testing::Test {
 protected:
  testing::TempDir directory_;
  const std::string path_ = directory_ / "s.sock";
};

TEST_F(SocketClaimTest, OnlyOneAtATime) {
  auto first = SocketClaim::Take(path_);
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(SocketClaim::Take(path_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path_)));
  std::optional<SocketClaim> owner(*std::move(first));
  EXPECT_THAT(SocketClaim::Take(path_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path_)));
  owner.reset();
  EXPECT_THAT(SocketClaim::Take(path_), IsOk());
}

TEST_F(SocketClaimTest, LeavesNothingBehind) {
  {
    const auto claim = SocketClaim::Take(path_);
    ASSERT_THAT(claim, IsOk());
    close(BindSocket(path_, false));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(SocketClaimTest, ReplacesAStaleSocketOnly) {
  close(BindSocket(path_, true));  // nobody listens any more, but the file stays
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_THAT(SocketClaim::Take(path_), IsOk());

  const int fd = BindSocket(path_, true);
  EXPECT_THAT(SocketClaim::Take(path_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("in use")));
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".lock"));
  close(fd);
}

TEST_F(SocketClaimTest, TouchesNothingElse) {
  testing::WriteFile(path_, "precious");
  EXPECT_THAT(SocketClaim::Take(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no socket")));
  EXPECT_EQ(testing::ReadFile(path_), "precious");
  EXPECT_THAT(SocketClaim::Take(directory_ / "missing/s.sock"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
}

TEST(PrivateDirectory, IsMadeAndChecked) {
  const testing::TempDir parent;
  const std::string directory = parent / "d";
  EXPECT_FALSE(CheckPrivateDirectory(directory, /*create=*/false).ok());
  EXPECT_THAT(CheckPrivateDirectory(directory, /*create=*/true), IsOk());
  EXPECT_THAT(CheckPrivateDirectory(directory, /*create=*/true), IsOk());
  struct stat status = {};
  ASSERT_EQ(stat(directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);

  ASSERT_EQ(chmod(directory.c_str(), 0750), 0);
  EXPECT_THAT(CheckPrivateDirectory(directory, true),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("open to other users")));
  const std::string link = parent / "link";
  std::filesystem::create_symlink(directory, link);
  EXPECT_THAT(CheckPrivateDirectory(link, true),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no directory")));
}

}  // namespace
}  // namespace ecf8
