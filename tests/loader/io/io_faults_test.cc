// The real readers where the system fails them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
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

// Changes the answers of both kinds of reader by one function. The functions are set before reads
// are submitted.
class FaultCalls : public ReadCalls {
 public:
  int64_t Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) override {
    return Answer(ReadCalls::Read(fd, memory, offset_bytes), offset_bytes);
  }
  int64_t RingResult(int64_t result, uint64_t offset_bytes, uint64_t /*size_bytes*/) override {
    return Answer(result, offset_bytes);
  }
  int RegisterBuffer(io_uring* ring, uint32_t index, absl::Span<uint8_t> memory) override {
    if (++registrations == failing_registration) return -ENOMEM;
    return ReadCalls::RegisterBuffer(ring, index, memory);
  }

  // (the true answer, offset, how many answers came before) -> the answer
  std::function<int64_t(int64_t, uint64_t, uint64_t)> answer;
  int failing_registration = 0;  // the first is 1
  int registrations = 0;

 private:
  int64_t Answer(int64_t result, uint64_t offset_bytes) {
    return answer ? answer(result, offset_bytes, answers_++) : result;
  }

  std::atomic<uint64_t> answers_ = 0;
};

class IoFaultsTest : public ::testing::TestWithParam<BlockReaderBackend> {
 protected:
  void SetUp() override {
    auto reader =
        OpenBlockReader({.backend = GetParam(), .queue_depth = 4, .calls = &calls_}, sink_);
    if (absl::IsPermissionDenied(reader.status())) GTEST_SKIP() << reader.status();
    ASSERT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
    WriteFile(dir_ / "weights", bytes_);
    const absl::StatusOr<uint32_t> file = reader_->AddFile(dir_ / "weights", "weights");
    ASSERT_THAT(file, IsOk());
    file_ = *file;
  }

  absl::Status Read(uint64_t offset_bytes, uint32_t size_bytes) {
    const uint64_t tag = sink_.count();
    if (!reader_->TrySubmit({file_, offset_bytes, memory_.data(), size_bytes, tag})) {
      return absl::InternalError("no room");
    }
    if (!sink_.WaitForCount(tag + 1)) return absl::InternalError("the read does not end");
    return sink_.StatusOf(tag);
  }

  void ExpectRightBytes(uint64_t offset_bytes, uint32_t size_bytes) {
    EXPECT_THAT(Read(offset_bytes, size_bytes), IsOk());
    EXPECT_TRUE(memory_.text(size_bytes) ==
                std::string_view(bytes_).substr(offset_bytes, size_bytes));
  }

  const std::string bytes_ = PlacedBytes(40 * kBlockBytes + 77, 1);
  TempDir dir_;
  BlockMemory memory_{64 * kBlockBytes};
  FaultCalls calls_;
  CollectingSink sink_;
  std::unique_ptr<BlockReader> reader_;
  uint32_t file_ = 0;
};

TEST_P(IoFaultsTest, ShortReadsAreCompleted) {
  for (const int64_t at_most :
       {int64_t{2 * kBlockBytes}, int64_t{kBlockBytes + 1}, int64_t{kBlockBytes}}) {
    calls_.answer = [=](int64_t result, uint64_t, uint64_t) { return std::min(result, at_most); };
    ExpectRightBytes(0, static_cast<uint32_t>(bytes_.size()));
    ExpectRightBytes(3 * kBlockBytes, 10 * kBlockBytes - 1);
  }
  EXPECT_GT(reader_->info().retries, 50);
}

TEST_P(IoFaultsTest, APartOfABlockIsReadAgain) {
  calls_.answer = [](int64_t result, uint64_t, uint64_t count) {
    return count % 2 == 0 ? std::min<int64_t>(result, 100) : result;
  };
  ExpectRightBytes(0, static_cast<uint32_t>(bytes_.size()));
  ExpectRightBytes(40 * kBlockBytes, 77);
}

TEST_P(IoFaultsTest, InterruptionsAreRetried) {
  calls_.answer = [](int64_t result, uint64_t, uint64_t count) -> int64_t {
    if (count % 3 == 0) return -EINTR;
    if (count % 3 == 1) return -EAGAIN;
    return result;
  };
  ExpectRightBytes(kBlockBytes, 20 * kBlockBytes);
  EXPECT_EQ(reader_->info().retries, 2);
}

TEST_P(IoFaultsTest, InterruptionsWithoutEndAreUnavailable) {
  calls_.answer = [](int64_t, uint64_t, uint64_t) -> int64_t { return -EAGAIN; };
  EXPECT_THAT(Read(kBlockBytes, 100),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("\"weights\" at offset 4096")));
}

TEST_P(IoFaultsTest, AnErrorHurtsTheReadsThatMeetIt) {
  constexpr uint64_t kBad = 8 * kBlockBytes;
  calls_.answer = [](int64_t result, uint64_t offset, uint64_t) {
    return offset == kBad ? -EIO : result;
  };
  ExpectRightBytes(0, 8 * kBlockBytes);
  EXPECT_THAT(Read(kBad, 4 * kBlockBytes),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("\"weights\" at offset 32768")));
  ExpectRightBytes(12 * kBlockBytes, 8 * kBlockBytes);
  EXPECT_EQ(reader_->info().reads_failed, 1);
  calls_.answer = nullptr;
  ExpectRightBytes(kBad, 4 * kBlockBytes);
}

TEST_P(IoFaultsTest, AnErrorBehindAShortReadNamesItsOwnOffset) {
  calls_.answer = [](int64_t result, uint64_t offset, uint64_t) -> int64_t {
    return offset == 0 ? std::min<int64_t>(result, 3 * kBlockBytes) : -EIO;
  };
  EXPECT_THAT(Read(0, 9 * kBlockBytes),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("\"weights\" at offset 12288")));
}

TEST_P(IoFaultsTest, MemoryThatCannotBeRegisteredIsReadIntoAllTheSame) {
  calls_.failing_registration = 2;
  for (int piece = 0; piece < 3; ++piece) {
    reader_->RegisterMemory(memory_.span().subspan(16 * piece * kBlockBytes, 16 * kBlockBytes));
  }
  const BlockReaderInfo info = reader_->info();
  EXPECT_NE(info.registration_problem, "");
  if (GetParam() == BlockReaderBackend::kIoUring) {
    EXPECT_THAT(info.registration_problem, HasSubstr("RLIMIT_MEMLOCK"));
    EXPECT_EQ(info.registered_bytes, 32 * kBlockBytes);
  }
  ExpectRightBytes(0, 40 * kBlockBytes);
}

TEST_P(IoFaultsTest, DestructionDoesNotWaitForRetries) {
  calls_.answer = [](int64_t result, uint64_t, uint64_t) { return std::min<int64_t>(result, 1); };
  for (uint64_t tag = 0; tag < 4; ++tag) {
    ASSERT_TRUE(reader_->TrySubmit(
        {file_, 0, memory_.data() + 16 * tag * kBlockBytes, 16 * kBlockBytes, tag}));
  }
  reader_.reset();
  for (uint64_t tag = 0; tag < 4; ++tag) EXPECT_FALSE(sink_.StatusOf(tag).ok());
  EXPECT_EQ(sink_.count(), 4);
}

INSTANTIATE_TEST_SUITE_P(Readers, IoFaultsTest,
                         ::testing::Values(BlockReaderBackend::kIoUring,
                                           BlockReaderBackend::kThreads),
                         [](const ::testing::TestParamInfo<BlockReaderBackend>& backend) {
                           return backend.param == BlockReaderBackend::kIoUring ? "IoUring"
                                                                                : "Threads";
                         });

}  // namespace
}  // namespace ecf8
