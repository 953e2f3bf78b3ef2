// What a process that has been handed the descriptor can do with it: read. The seals are the
// file's, whoever holds the descriptor, so that they can be tried here.

#include "loader/memory/sealed_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;

constexpr uint64_t kSize = 2 << 20;

class SealedMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(memory_.Make("ecf8-test", kSize), IsOk());
    ASSERT_EQ(memory_.bytes().size(), kSize);
    std::fill(memory_.bytes().begin(), memory_.bytes().end(), 42);
    // As a client would get it, and as it could open it again: /proc gives a writable descriptor.
    const std::string path = "/proc/self/fd/" + std::to_string(memory_.fd());
    fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd_, 0);
  }
  void TearDown() override {
    EXPECT_TRUE(std::all_of(memory_.bytes().begin(), memory_.bytes().end(),
                            [](uint8_t byte) { return byte == 42; }));
    close(fd_);
  }

  static void ExpectRefused(int result) {
    EXPECT_EQ(result, -1);
    EXPECT_TRUE(errno == EPERM || errno == EACCES) << errno;
  }

  SealedMemory memory_;
  int fd_ = -1;
};

TEST_F(SealedMemoryTest, CanBeMappedToRead) {
  void* const mapped = mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd_, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_EQ(static_cast<const uint8_t*>(mapped)[kSize - 1], 42);
  munmap(mapped, kSize);
}

TEST_F(SealedMemoryTest, CannotBeWritten) {
  const char byte = 0;
  ExpectRefused(static_cast<int>(write(fd_, &byte, 1)));
  ExpectRefused(static_cast<int>(pwrite(fd_, &byte, 1, 100)));
}

TEST_F(SealedMemoryTest, CannotBeMappedToWrite) {
  EXPECT_EQ(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0), MAP_FAILED);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(mmap(nullptr, kSize, PROT_WRITE, MAP_SHARED, fd_, 0), MAP_FAILED);
}

TEST_F(SealedMemoryTest, AMappingCannotBecomeWritable) {
  void* const mapped = mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd_, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  ExpectRefused(mprotect(mapped, kSize, PROT_READ | PROT_WRITE));
  ExpectRefused(madvise(mapped, kSize, MADV_REMOVE));
  munmap(mapped, kSize);
}

TEST_F(SealedMemoryTest, KeepsItsSize) {
  ExpectRefused(ftruncate(fd_, 0));
  ExpectRefused(ftruncate(fd_, kSize - 1));
  ExpectRefused(ftruncate(fd_, 2 * kSize));
  ExpectRefused(fallocate(fd_, 0, kSize, 4096));
  ExpectRefused(fallocate(fd_, FALLOC_FL_KEEP_SIZE, kSize, 4096));
}

TEST_F(SealedMemoryTest, NoHoleCanBePunched) {
  ExpectRefused(fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}

// One that forbids all writing would take the memory away from the daemon.
TEST_F(SealedMemoryTest, NoSealCanBeAdded) { ExpectRefused(fcntl(fd_, F_ADD_SEALS, F_SEAL_WRITE)); }

TEST(SealedMemory, MayBeOfNoBytes) {
  SealedMemory memory;
  EXPECT_EQ(memory.fd(), -1);
  EXPECT_THAT(memory.Make("ecf8-test", 0), IsOk());
  EXPECT_GE(memory.fd(), 0);
  EXPECT_TRUE(memory.bytes().empty());
}

}  // namespace
}  // namespace ecf8
