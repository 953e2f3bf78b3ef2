// Which reader OpenBlockReader gives, and what it says about it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "loader/io/block_reader.h"
#include "loader/io/read_calls.h"
#include "tests/support/block_reads.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using testing::BlockMemory;
using testing::CollectingSink;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::PlacedBytes;
using testing::StatusIs;
using testing::TempDir;
using testing::WriteFile;

// Refuses what it is told to.
class RefusingCalls : public ReadCalls {
 public:
  int Open(const char* path, int flags) override {
    if (direct_open_error != 0 && (flags & O_DIRECT) != 0) return -direct_open_error;
    return ReadCalls::Open(path, flags);
  }
  int64_t Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) override {
    const bool direct = (::fcntl(fd, F_GETFL) & O_DIRECT) != 0;
    if (direct_read_error != 0 && direct) return -direct_read_error;
    return ReadCalls::Read(fd, memory, offset_bytes);
  }
  int InitRing(uint32_t entries, io_uring* ring, io_uring_params* params) override {
    ring_flags.push_back(params->flags);
    if (ring_error != 0) return -ring_error;
    if ((params->flags & unknown_ring_flags) != 0) return -EINVAL;
    return ReadCalls::InitRing(entries, ring, params);
  }

  int direct_open_error = 0;
  int direct_read_error = 0;
  int ring_error = 0;
  unsigned unknown_ring_flags = 0;
  std::vector<unsigned> ring_flags;
};

class OpenBlockReaderTest : public ::testing::Test {
 protected:
  // Whether a reader with these options reads a file as it is.
  void ExpectReads(BlockReader& reader) {
    const std::string bytes = PlacedBytes(5 * kBlockBytes + 3, 1);
    WriteFile(dir_ / "weights", bytes);
    const absl::StatusOr<uint32_t> file = reader.AddFile(dir_ / "weights", "weights");
    ASSERT_THAT(file, IsOk());
    BlockMemory memory(bytes.size());
    ASSERT_TRUE(reader.TrySubmit(
        {*file, 0, memory.data(), static_cast<uint32_t>(bytes.size()), /*tag=*/7}));
    ASSERT_TRUE(sink_.WaitForCount(1));
    EXPECT_THAT(sink_.StatusOf(7), IsOk());
    EXPECT_TRUE(memory.text(bytes.size()) == bytes);
  }

  absl::StatusOr<std::unique_ptr<BlockReader>> Open(BlockReaderBackend backend) {
    return OpenBlockReader({.backend = backend, .calls = &calls_}, sink_);
  }

  TempDir dir_;
  CollectingSink sink_;
  RefusingCalls calls_;
};

TEST_F(OpenBlockReaderTest, AutoTakesThreadsWhereIoUringIsRefused) {
  for (const int error : {EPERM, ENOSYS, ENOMEM}) {
    CollectingSink sink;
    calls_.ring_error = error;
    const auto reader =
        OpenBlockReader({.backend = BlockReaderBackend::kAuto, .calls = &calls_}, sink);
    ASSERT_THAT(reader, IsOk());
    EXPECT_EQ((*reader)->info().kind, "threads");
    EXPECT_THAT((*reader)->info().fallback_reason, HasSubstr("io_uring is refused: "));
  }
  const auto reader = Open(BlockReaderBackend::kAuto);
  ASSERT_THAT(reader, IsOk());
  ExpectReads(**reader);
}

TEST_F(OpenBlockReaderTest, IoUringFailsWhereItIsRefused) {
  calls_.ring_error = EPERM;
  EXPECT_THAT(Open(BlockReaderBackend::kIoUring),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("io_uring is refused")));
}

TEST_F(OpenBlockReaderTest, ThreadsDoNotAskForARing) {
  const auto reader = Open(BlockReaderBackend::kThreads);
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ((*reader)->info().kind, "threads");
  EXPECT_EQ((*reader)->info().fallback_reason, "");
  EXPECT_TRUE(calls_.ring_flags.empty());
  ExpectReads(**reader);
}

TEST_F(OpenBlockReaderTest, OlderKernelsGetPlainerRings) {
  for (const unsigned unknown : {unsigned{IORING_SETUP_DEFER_TASKRUN},
                                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN}) {
    CollectingSink sink;
    calls_.ring_flags.clear();
    calls_.unknown_ring_flags = unknown;
    const auto reader =
        OpenBlockReader({.backend = BlockReaderBackend::kIoUring, .calls = &calls_}, sink);
    if (absl::IsPermissionDenied(reader.status())) GTEST_SKIP() << reader.status();
    ASSERT_THAT(reader, IsOk());
    EXPECT_EQ((*reader)->info().kind, "io_uring");
    EXPECT_EQ(calls_.ring_flags.size(), unknown == IORING_SETUP_DEFER_TASKRUN ? 2 : 3);
  }
  const auto reader = Open(BlockReaderBackend::kIoUring);
  ASSERT_THAT(reader, IsOk());
  ExpectReads(**reader);
}

TEST_F(OpenBlockReaderTest, FilesAreBufferedWhereDirectReadsAreRefused) {
  for (const bool at_open : {true, false}) {
    CollectingSink sink;
    (at_open ? calls_.direct_open_error : calls_.direct_read_error) = EINVAL;
    const auto reader = OpenBlockReader({.calls = &calls_}, sink);
    ASSERT_THAT(reader, IsOk());
    WriteFile(dir_ / "shard", "x");
    ASSERT_THAT((*reader)->AddFile(dir_ / "shard", "shard"), IsOk());
    EXPECT_EQ((*reader)->info().direct_files, 0);
    EXPECT_EQ((*reader)->info().buffered_files, 1);
    calls_ = RefusingCalls();
  }
  calls_.direct_read_error = EINVAL;
  const auto reader = Open(BlockReaderBackend::kAuto);
  ASSERT_THAT(reader, IsOk());
  ExpectReads(**reader);
}

TEST_F(OpenBlockReaderTest, OtherErrorsOfOpenAreErrors) {
  calls_.direct_open_error = EMFILE;
  const auto reader = Open(BlockReaderBackend::kThreads);
  ASSERT_THAT(reader, IsOk());
  WriteFile(dir_ / "shard", "x");
  EXPECT_THAT((*reader)->AddFile(dir_ / "shard", "shard"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cannot open \"shard\"")));
}

TEST_F(OpenBlockReaderTest, RefusesDepthsOutOfRange) {
  for (const uint32_t depth : {0u, kMaxQueueDepth + 1}) {
    EXPECT_THAT(OpenBlockReader({.queue_depth = depth}, sink_),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 1024")));
  }
  for (const uint32_t depth : {1u, kMaxQueueDepth}) {
    EXPECT_THAT(OpenBlockReader({.queue_depth = depth}, sink_), IsOk());
  }
}

TEST_F(OpenBlockReaderTest, OpensNoMoreFilesThanItsLimit) {
  const auto reader = Open(BlockReaderBackend::kThreads);
  ASSERT_THAT(reader, IsOk());
  WriteFile(dir_ / "shard", "x");
  absl::StatusOr<uint32_t> file = 0;
  uint32_t count = 0;
  while (file.ok() && count <= kMaxOpenFiles) {
    file = (*reader)->AddFile(dir_ / "shard", "shard");
    if (file.ok()) ++count;
  }
  EXPECT_LE(count, kMaxOpenFiles);  // fewer where the process may not open so many
  EXPECT_THAT(file, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("\"shard\"")));
}

}  // namespace
}  // namespace ecf8
