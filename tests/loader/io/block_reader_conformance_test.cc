// What every BlockReader does alike. The faulty one runs with faults that a caller must not notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/io/block_reader.h"
#include "tests/support/block_reads.h"
#include "tests/support/faulty_block_reader.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/virtual_time.h"

namespace ecf8 {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::BlockMemory;
using testing::CollectingSink;
using testing::FaultyBlockReader;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::PlacedBytes;
using testing::StatusIs;
using testing::TempDir;
using testing::VirtualTime;
using testing::WriteFile;

constexpr uint32_t kQueueDepth = 8;

struct Kind {
  std::string name;
  bool faulty = false;
  BlockReaderBackend backend = BlockReaderBackend::kThreads;
  bool direct_io = true;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class BlockReaderConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().faulty) {
      testing::FaultyReaderOptions options;
      options.seed = 17;
      options.queue_depth = kQueueDepth;
      options.short_read = 0.3;
      options.eintr = 0.1;
      options.eagain = 0.1;
      options.enomem_at_registration = 0.5;
      auto faulty = std::make_unique<FaultyBlockReader>(options, time_, sink_);
      faulty_ = faulty.get();
      reader_ = std::move(faulty);
      return;
    }
    BlockReaderOptions options;
    options.backend = GetParam().backend;
    options.queue_depth = kQueueDepth;
    options.direct_io = GetParam().direct_io;
    auto reader = OpenBlockReader(options, sink_);
    if (absl::IsPermissionDenied(reader.status())) GTEST_SKIP() << reader.status();
    ASSERT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
  }

  // The reads of one tag after the other; where there is no room, waits for one to end.
  void Submit(const BlockRead& read) {
    uint64_t done = sink_.count();  // before it is tried: all of them may end right after
    while (!reader_->TrySubmit(read)) {
      ASSERT_TRUE(WaitForCount(done + 1));
      done = sink_.count();
    }
    ++submitted_;
  }

  bool WaitForCount(uint64_t count) {
    if (faulty_ == nullptr) return sink_.WaitForCount(count);
    while (sink_.count() < count) {
      if (!time_.RunNext()) return false;
    }
    return true;
  }

  bool WaitForAll() { return WaitForCount(submitted_); }

  absl::Status ReadOne(uint32_t file, uint64_t offset_bytes, BlockMemory& memory,
                       uint32_t size_bytes) {
    const uint64_t tag = 1'000'000 + submitted_;
    Submit({file, offset_bytes, memory.data(), size_bytes, tag});
    if (!WaitForAll()) return absl::InternalError("a read does not end");
    return sink_.StatusOf(tag);
  }

  uint32_t AddFile(const std::string& name, const std::string& bytes) {
    WriteFile(dir_ / name, bytes);
    const absl::StatusOr<uint32_t> file = reader_->AddFile(dir_ / name, name);
    EXPECT_THAT(file, IsOk());
    return file.value_or(0);
  }

  void Truncate(const std::string& name, uint64_t size_bytes) {
    if (faulty_ != nullptr) {
      faulty_->Truncate(dir_ / name, size_bytes);
    } else {
      ASSERT_EQ(::truncate((dir_ / name).c_str(), static_cast<off_t>(size_bytes)), 0);
    }
  }

  TempDir dir_;
  VirtualTime time_;
  CollectingSink sink_;
  std::unique_ptr<BlockReader> reader_;
  FaultyBlockReader* faulty_ = nullptr;
  uint64_t submitted_ = 0;
};

TEST_P(BlockReaderConformanceTest, ReadsAnySizeAtAnyBlock) {
  const std::string bytes = PlacedBytes(2 * kMaxReadBytes + 3 * kBlockBytes, 1);
  const uint32_t file = AddFile("weights", bytes);
  for (const uint32_t size :
       {1u, 4095u, 4096u, 4097u, 1'000'001u, kMaxReadBytes - 1, kMaxReadBytes}) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{kBlockBytes}, uint64_t{kMaxReadBytes}}) {
      SCOPED_TRACE(absl::StrCat(size, " bytes from ", offset));
      BlockMemory memory(size);
      ASSERT_THAT(ReadOne(file, offset, memory, size), IsOk());
      EXPECT_TRUE(memory.text(size) == std::string_view(bytes).substr(offset, size));
      EXPECT_TRUE(memory.SidesAreUntouched());
    }
  }
}

TEST_P(BlockReaderConformanceTest, ReadsToAnUnalignedEndOfTheFile) {
  for (const uint32_t size : {1u, 4095u, 4096u, 4097u, 8191u, 1'234'567u}) {
    SCOPED_TRACE(size);
    const std::string bytes = PlacedBytes(size, size);
    const uint32_t file = AddFile(absl::StrCat("file-", size), bytes);
    BlockMemory memory(size);
    ASSERT_THAT(ReadOne(file, 0, memory, size), IsOk());
    EXPECT_TRUE(memory.text(size) == bytes);
    EXPECT_TRUE(memory.SidesAreUntouched());
    const uint64_t last_block = (size - 1) / kBlockBytes * kBlockBytes;
    const auto rest = static_cast<uint32_t>(size - last_block);
    ASSERT_THAT(ReadOne(file, last_block, memory, rest), IsOk());
    EXPECT_TRUE(memory.text(rest) == std::string_view(bytes).substr(last_block));
  }
}

TEST_P(BlockReaderConformanceTest, EndOfFileWithinAReadIsDataLoss) {
  const uint32_t file = AddFile("short", PlacedBytes(2 * kBlockBytes + 100, 1));
  BlockMemory memory(4 * kBlockBytes);
  const auto ends = [&](uint64_t end) {
    return StatusIs(absl::StatusCode::kDataLoss,
                    AllOf(HasSubstr("\"short\""), HasSubstr(absl::StrCat("offset ", end)),
                          Not(HasSubstr(dir_.path()))));
  };
  EXPECT_THAT(ReadOne(file, 0, memory, 2 * kBlockBytes + 101), ends(2 * kBlockBytes + 100));
  EXPECT_THAT(ReadOne(file, 2 * kBlockBytes, memory, 101), ends(2 * kBlockBytes + 100));
  EXPECT_THAT(ReadOne(file, 4 * kBlockBytes, memory, 1), ends(4 * kBlockBytes));
  EXPECT_THAT(ReadOne(file, 0, memory, 2 * kBlockBytes + 100), IsOk());
  const uint32_t empty = AddFile("empty", "");
  EXPECT_THAT(ReadOne(empty, 0, memory, 1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("\"empty\" ends at offset 0")));
}

TEST_P(BlockReaderConformanceTest, AFileThatIsCutUnderTheReaderIsDataLoss) {
  const std::string bytes = PlacedBytes(16 * kBlockBytes, 1);
  const uint32_t file = AddFile("cut", bytes);
  Truncate("cut", 5 * kBlockBytes + 7);
  BlockMemory memory(bytes.size());
  EXPECT_THAT(ReadOne(file, 0, memory, 16 * kBlockBytes),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr(absl::StrCat("\"cut\" ends at offset ", 5 * kBlockBytes + 7))));
  ASSERT_THAT(ReadOne(file, 0, memory, 5 * kBlockBytes), IsOk());
  EXPECT_TRUE(memory.text(5 * kBlockBytes) == bytes.substr(0, 5 * kBlockBytes));
}

TEST_P(BlockReaderConformanceTest, TakesAsManyAsItsDepth) {
  const std::string bytes = PlacedBytes(kQueueDepth * kBlockBytes, 1);
  const uint32_t file = AddFile("weights", bytes);
  BlockMemory memory(kMaxReadBytes);
  EXPECT_EQ(reader_->info().queue_depth, kQueueDepth);
  // Real reads may end meanwhile; those in flight are never more than the depth.
  for (uint64_t tag = 0; tag < 500; ++tag) {
    const BlockRead read{file, tag % kQueueDepth * kBlockBytes,
                         memory.data() + tag % 1024 * kBlockBytes, kBlockBytes, tag};
    const uint64_t ended = sink_.count();
    if (!reader_->TrySubmit(read)) {
      EXPECT_GE(submitted_ - ended, kQueueDepth);
      Submit(read);
      continue;
    }
    ++submitted_;
    EXPECT_LE(reader_->info().in_flight, kQueueDepth);
  }
  ASSERT_TRUE(WaitForAll());
  for (uint64_t tag = 0; tag < 500; ++tag) ASSERT_THAT(sink_.StatusOf(tag), IsOk()) << tag;
  EXPECT_EQ(sink_.count(), 500);
  const BlockReaderInfo info = reader_->info();
  EXPECT_EQ(info.in_flight, 0);
  EXPECT_EQ(info.reads_done, 500);
  EXPECT_EQ(info.bytes_read, 500 * kBlockBytes);
  EXPECT_EQ(info.reads_failed, 0);
}

TEST_P(BlockReaderConformanceTest, ManyReadsOfManyFiles) {
  constexpr uint32_t kFiles = 40;
  constexpr uint32_t kReads = 400;
  constexpr uint32_t kReadBytes = 3 * kBlockBytes - 5;
  std::vector<std::string> contents;
  std::vector<uint32_t> files;
  for (uint32_t i = 0; i < kFiles; ++i) {
    contents.push_back(PlacedBytes(8 * kBlockBytes, i));
    files.push_back(AddFile(absl::StrCat("file-", i), contents.back()));
  }
  std::vector<BlockMemory> memories;
  for (uint32_t i = 0; i < kReads; ++i) memories.emplace_back(kReadBytes);
  for (uint32_t i = 0; i < kReads; ++i) {
    Submit({files[i % kFiles], i % 5 * kBlockBytes, memories[i].data(), kReadBytes, i});
  }
  ASSERT_TRUE(WaitForAll());
  for (uint32_t i = 0; i < kReads; ++i) {
    ASSERT_THAT(sink_.StatusOf(i), IsOk()) << i;
    ASSERT_TRUE(memories[i].text(kReadBytes) ==
                contents[i % kFiles].substr(i % 5 * kBlockBytes, kReadBytes))
        << i;
    ASSERT_TRUE(memories[i].SidesAreUntouched()) << i;
  }
  const BlockReaderInfo info = reader_->info();
  EXPECT_EQ(info.direct_files + info.buffered_files, kFiles);
}

TEST_P(BlockReaderConformanceTest, ARemovedFilesNumberIsFreeAgain) {
  const uint32_t first = AddFile("first", PlacedBytes(kBlockBytes, 1));
  const uint32_t second = AddFile("second", PlacedBytes(kBlockBytes, 2));
  EXPECT_NE(first, second);
  reader_->RemoveFile(first);
  EXPECT_EQ(AddFile("third", PlacedBytes(kBlockBytes, 3)), first);
  BlockMemory memory(kBlockBytes);
  ASSERT_THAT(ReadOne(first, 0, memory, kBlockBytes), IsOk());
  EXPECT_TRUE(memory.text(kBlockBytes) == PlacedBytes(kBlockBytes, 3));
  ASSERT_THAT(ReadOne(second, 0, memory, kBlockBytes), IsOk());
  EXPECT_TRUE(memory.text(kBlockBytes) == PlacedBytes(kBlockBytes, 2));
}

TEST_P(BlockReaderConformanceTest, RefusesWhatIsNoFile) {
  const auto refused = [&](absl::StatusCode code) {
    return StatusIs(code, AllOf(HasSubstr("\"shard\""), Not(HasSubstr(dir_.path()))));
  };
  EXPECT_THAT(reader_->AddFile(dir_ / "absent", "shard"), refused(absl::StatusCode::kNotFound));
  EXPECT_THAT(reader_->AddFile(dir_.path(), "shard"), refused(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(reader_->AddFile(dir_ / "fifo", "shard"),
              refused(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(reader_->AddFile(std::string("a\0b", 3), "shard"),
              refused(absl::StatusCode::kInvalidArgument));
}

TEST_P(BlockReaderConformanceTest, RegisteredMemoryIsReadIntoAlike) {
  const std::string bytes = PlacedBytes(kMaxReadBytes, 1);
  const uint32_t file = AddFile("weights", bytes);
  // Two neighbours, registered apart, and then memory that is not: reads within, over the seam,
  // over the end, and beside.
  BlockMemory memory(64 * kBlockBytes);
  reader_->RegisterMemory(memory.span().subspan(0, 16 * kBlockBytes));
  reader_->RegisterMemory(memory.span().subspan(16 * kBlockBytes, 16 * kBlockBytes));
  const BlockReaderInfo info = reader_->info();
  EXPECT_TRUE(info.registered_bytes == 32 * kBlockBytes || !info.registration_problem.empty());
  for (const uint32_t first : {0u, 7u, 12u, 15u, 16u, 24u, 28u, 31u, 32u, 48u}) {
    SCOPED_TRACE(first);
    constexpr uint32_t kReadBytes = 8 * kBlockBytes - 9;
    uint8_t* const data = memory.data() + first * kBlockBytes;
    const uint64_t tag = first;
    Submit({file, first * kBlockBytes, data, kReadBytes, tag});
    ASSERT_TRUE(WaitForAll());
    ASSERT_THAT(sink_.StatusOf(tag), IsOk());
    EXPECT_TRUE(std::equal(data, data + kReadBytes, bytes.begin() + first * kBlockBytes,
                           [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }));
  }
  EXPECT_TRUE(memory.SidesAreUntouched());
}

TEST_P(BlockReaderConformanceTest, DestructionCompletesWhatIsInFlight) {
  const std::string bytes = PlacedBytes(kMaxReadBytes, 1);
  const uint32_t file = AddFile("weights", bytes);
  std::vector<BlockMemory> memories;
  for (uint64_t tag = 0; tag < kQueueDepth; ++tag) memories.emplace_back(kMaxReadBytes);
  for (uint64_t tag = 0; tag < kQueueDepth; ++tag) {
    ASSERT_TRUE(reader_->TrySubmit({file, 0, memories[tag].data(), kMaxReadBytes, tag}));
  }
  reader_.reset();
  EXPECT_EQ(sink_.count(), kQueueDepth);
  for (uint64_t tag = 0; tag < kQueueDepth; ++tag) {
    const absl::Status status = sink_.StatusOf(tag);
    if (status.ok()) {
      EXPECT_TRUE(memories[tag].text(kMaxReadBytes) == bytes);
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
    }
  }
  time_.RunUntilIdle();  // events of the reader that is gone
  EXPECT_EQ(sink_.count(), kQueueDepth);
}

TEST_P(BlockReaderConformanceTest, SubmitsFromSeveralThreads) {
  if (GetParam().faulty) GTEST_SKIP() << "a simulation is one thread";
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kReadsEach = 300;
  const std::string bytes = PlacedBytes(64 * kBlockBytes, 1);
  const uint32_t file = AddFile("weights", bytes);
  BlockMemory memory(uint64_t{kThreads} * kReadsEach * kBlockBytes);
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint32_t i = thread * kReadsEach; i < (thread + 1) * kReadsEach; ++i) {
        const BlockRead read{file, i % 64 * kBlockBytes, memory.data() + i * kBlockBytes,
                             kBlockBytes, i};
        while (!reader_->TrySubmit(read)) std::this_thread::yield();
        if (i % 100 == 0) {
          const std::string name = absl::StrCat("file-", i);
          WriteFile(dir_ / name, "x");
          const absl::StatusOr<uint32_t> other = reader_->AddFile(dir_ / name, name);
          ASSERT_THAT(other, IsOk());
          reader_->RemoveFile(*other);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(WaitForCount(kThreads * kReadsEach));
  for (uint32_t i = 0; i < kThreads * kReadsEach; ++i) {
    ASSERT_THAT(sink_.StatusOf(i), IsOk()) << i;
    ASSERT_TRUE(memory.text(memory.span().size()).substr(i * kBlockBytes, kBlockBytes) ==
                std::string_view(bytes).substr(i % 64 * kBlockBytes, kBlockBytes))
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Readers, BlockReaderConformanceTest,
    ::testing::Values(Kind{.name = "IoUring", .backend = BlockReaderBackend::kIoUring},
                      Kind{.name = "IoUringBuffered",
                           .backend = BlockReaderBackend::kIoUring,
                           .direct_io = false},
                      Kind{.name = "Threads"}, Kind{.name = "ThreadsBuffered", .direct_io = false},
                      Kind{.name = "Faulty", .faulty = true}),
    [](const ::testing::TestParamInfo<Kind>& kind) { return kind.param.name; });

}  // namespace
}  // namespace ecf8
