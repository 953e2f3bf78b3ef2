#include "loader/base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::ReadFile;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::WriteFile;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(File, WritesAndReadsAtAnyOffset) {
  const TempDir directory;
  auto file = File::CreateForWrite(directory / "f");
  ASSERT_THAT(file, IsOk());
  std::vector<uint8_t> bytes(100'000);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  const absl::Span<const uint8_t> all(bytes);
  ASSERT_THAT(file->WriteAt(50'000, all.subspan(50'000)), IsOk());
  ASSERT_THAT(file->WriteAt(0, all.first(50'000)), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(ReadFile(directory / "f"), std::string(bytes.begin(), bytes.end()));

  auto reader = File::OpenForRead(directory / "f");
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(*reader->SizeBytes(), bytes.size());
  std::vector<uint8_t> got(1000);
  ASSERT_THAT(reader->ReadAt(49'500, absl::MakeSpan(got)), IsOk());
  EXPECT_EQ(got, std::vector<uint8_t>(bytes.begin() + 49'500, bytes.begin() + 50'500));
  EXPECT_THAT(reader->ReadAt(100'000, {}), IsOk());
}

TEST(File, AnEndBeforeTheLastByteIsDataLoss) {
  const TempDir directory;
  WriteFile(directory / "f", "0123456789");
  auto file = File::OpenForRead(directory / "f");
  ASSERT_THAT(file, IsOk());
  std::vector<uint8_t> got(4);
  EXPECT_THAT(file->ReadAt(6, absl::MakeSpan(got)), IsOk());
  EXPECT_THAT(file->ReadAt(7, absl::MakeSpan(got)),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(directory / "f"), HasSubstr("offset 10"))));
  for (const uint64_t offset :
       {uint64_t{11}, uint64_t{1} << 63, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_THAT(file->ReadAt(offset, absl::MakeSpan(got)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(directory / "f")));
  }
}

TEST(File, OnlyRegularFilesAreOpened) {
  const TempDir directory;
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  // Would hang without O_NONBLOCK.
  EXPECT_THAT(File::OpenForRead(directory / "fifo"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  EXPECT_THAT(File::OpenForRead(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  EXPECT_THAT(File::OpenForRead("/dev/null"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
}

TEST(File, ErrorsNameTheFile) {
  const TempDir directory;
  EXPECT_THAT(File::OpenForRead(directory / "absent"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory / "absent")));
  WriteFile(directory / "f", "x");
  EXPECT_THAT(File::CreateForWrite(directory / "f"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(directory / "f")));
  EXPECT_EQ(ReadFile(directory / "f"), "x");
  EXPECT_THAT(File::OpenForRead(directory / "f/g"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("Not a directory")));
  EXPECT_THAT(File::OpenForRead(directory / std::string(300, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too long")));
  // The system would open what stands before the NUL.
  const std::string with_nul = directory / std::string("f\0g", 3);
  EXPECT_THAT(File::OpenForRead(with_nul),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f\\x00g")));
  EXPECT_THAT(File::CreateForWrite(with_nul),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f\\x00g")));
}

TEST(File, CodesOfErrnos) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "x").message(), "x: No such file or directory");
  for (const int error : {ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EFBIG}) {
    EXPECT_EQ(ErrnoStatus(error, "x").code(), absl::StatusCode::kResourceExhausted) << error;
  }
  for (const int error : {EACCES, EPERM, EROFS}) {
    EXPECT_EQ(ErrnoStatus(error, "x").code(), absl::StatusCode::kPermissionDenied) << error;
  }
  EXPECT_EQ(ErrnoStatus(EIO, "x").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrnoStatus(EBADF, "x").code(), absl::StatusCode::kInternal);
}

TEST(File, AFullDiskIsResourceExhausted) {
  const TempDir directory;
  auto file = File::CreateForWrite(directory / "f");
  ASSERT_THAT(file, IsOk());
  const std::vector<uint8_t> bytes(10'000, 7);
  // A limit on the file's size stands in for a full disk: the first write is short, the next fails.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit{4096, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = file->WriteAt(0, bytes);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr(directory / "f"), HasSubstr("offset 4096"))));
}

TEST(File, IdentityTellsAChange) {
  const TempDir directory;
  WriteFile(directory / "f", "abc");
  auto file = File::OpenForRead(directory / "f");
  ASSERT_THAT(file, IsOk());
  const FileIdentity before = *file->Identity();
  EXPECT_EQ(before.size_bytes, 3u);
  EXPECT_TRUE(before == *file->Identity());
  WriteFile(directory / "f", "abcd");
  EXPECT_FALSE(before == *file->Identity());
}

TEST(File, MovesCloseOnce) {
  const TempDir directory;
  WriteFile(directory / "a", "aa");
  WriteFile(directory / "b", "bbb");
  const auto open_count = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_count();
  {
    File a = *File::OpenForRead(directory / "a");
    File b = *File::OpenForRead(directory / "b");
    a = std::move(b);
    EXPECT_EQ(a.path(), directory / "b");
    EXPECT_EQ(*a.SizeBytes(), 3u);
    const File c(std::move(a));
    EXPECT_EQ(*c.SizeBytes(), 3u);
  }
  EXPECT_EQ(open_count(), before);
}

TEST(File, IsNotInheritedByPrograms) {
  const TempDir directory;
  WriteFile(directory / "f", "x");
  const File file = *File::OpenForRead(directory / "f");
  int inherited = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) != directory / "f") continue;
    const int fd = std::stoi(entry.path().filename().string());
    if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) ++inherited;
  }
  EXPECT_EQ(inherited, 0);
}

}  // namespace
}  // namespace ecf8
