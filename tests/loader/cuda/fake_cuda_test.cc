// The fake CUDA finds what it is there to find.
#include "tests/support/fake_cuda/fake_cuda.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace ecf8::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kBytes = 10000;

// Two streams, an event, memory on both sides.
class FakeCudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cuda_.SetDevice(0), kCudaSuccess);
    ASSERT_EQ(cuda_.StreamCreate(&first_), kCudaSuccess);
    ASSERT_EQ(cuda_.StreamCreate(&second_), kCudaSuccess);
    ASSERT_EQ(cuda_.EventCreate(&event_), kCudaSuccess);
    ASSERT_EQ(cuda_.EventCreate(&other_event_), kCudaSuccess);
    ASSERT_EQ(cuda_.Malloc(kBytes, &memory_dev_), kCudaSuccess);
    ASSERT_EQ(cuda_.HostAlloc(kBytes, &from_), kCudaSuccess);
    ASSERT_EQ(cuda_.HostAlloc(kBytes, &to_), kCudaSuccess);
    std::memset(from_, 7, kBytes);
  }
  void TearDown() override {
    cuda_.DeviceSynchronize();
    if (memory_dev_ != nullptr) cuda_.Free(memory_dev_);
    cuda_.FreeHost(from_);
    cuda_.FreeHost(to_);
    cuda_.EventDestroy(event_);
    cuda_.EventDestroy(other_event_);
    cuda_.StreamDestroy(first_);
    cuda_.StreamDestroy(second_);
  }

  void CopyIn(CudaStream stream, uint64_t size = kBytes) {
    EXPECT_EQ(cuda_.MemcpyAsync(memory_dev_, from_, size, CudaCopy::kHostToDevice, stream),
              kCudaSuccess);
  }
  void CopyOut(CudaStream stream) {
    EXPECT_EQ(cuda_.MemcpyAsync(to_, memory_dev_, kBytes, CudaCopy::kDeviceToHost, stream),
              kCudaSuccess);
  }
  void WaitFor(CudaEvent event) {
    while (cuda_.EventQuery(event) == kCudaNotReady) std::this_thread::yield();
  }

  FakeCuda cuda_{FakeCudaOptions{.devices = 2}};
  CudaStream first_ = nullptr;
  CudaStream second_ = nullptr;
  CudaEvent event_ = nullptr;
  CudaEvent other_event_ = nullptr;
  uint8_t* memory_dev_ = nullptr;
  uint8_t* from_ = nullptr;
  uint8_t* to_ = nullptr;
};

TEST_F(FakeCudaTest, OrderedByAnEventTwoStreamsGiveNoComplaint) {
  CopyIn(first_);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  EXPECT_EQ(cuda_.StreamWaitEvent(second_, event_), kCudaSuccess);
  CopyOut(second_);
  EXPECT_EQ(cuda_.EventRecord(other_event_, second_), kCudaSuccess);
  WaitFor(other_event_);
  EXPECT_EQ(std::memcmp(from_, to_, kBytes), 0);
  EXPECT_THAT(cuda_.TakeMisuses(), IsEmpty());
}

TEST_F(FakeCudaTest, NothingRunsBeforeSomebodyAsks) {
  CopyIn(first_);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::memset(from_, 9, kBytes);  // too early: the copy has not read it
  WaitFor(event_);
  CopyOut(first_);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  WaitFor(event_);
  EXPECT_EQ(to_[0], 9);
}

TEST_F(FakeCudaTest, FindsStreamsWithoutAnEventBetween) {
  CopyIn(first_);
  CopyOut(second_);
  cuda_.DeviceSynchronize();
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("touch the same bytes in no order")));
}

TEST_F(FakeCudaTest, FindsAnEventThatIsRecordedTooEarly) {
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  CopyIn(first_);
  EXPECT_EQ(cuda_.StreamWaitEvent(second_, event_), kCudaSuccess);
  CopyOut(second_);
  cuda_.DeviceSynchronize();
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("in no order")));
}

TEST_F(FakeCudaTest, FindsAWaitForNothing) {
  EXPECT_EQ(cuda_.StreamWaitEvent(second_, event_), kCudaSuccess);
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("never recorded")));
}

TEST_F(FakeCudaTest, FindsPageableMemory) {
  std::vector<uint8_t> pageable(kBytes);
  EXPECT_EQ(
      cuda_.MemcpyAsync(memory_dev_, pageable.data(), kBytes, CudaCopy::kHostToDevice, first_),
      kCudaSuccess);
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("not pinned")));
  cuda_.DeviceSynchronize();
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("not there")));
}

TEST_F(FakeCudaTest, FindsBytesBeyondTheEnd) {
  uint8_t* longer = nullptr;
  ASSERT_EQ(cuda_.HostAlloc(kBytes + 1, &longer), kCudaSuccess);
  EXPECT_EQ(cuda_.MemcpyAsync(memory_dev_, longer, kBytes + 1, CudaCopy::kHostToDevice, first_),
            kCudaSuccess);
  cuda_.DeviceSynchronize();
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("memory that is not there")));
  cuda_.FreeHost(longer);
}

TEST_F(FakeCudaTest, FindsMemoryThatIsFreedWhileACopyIsQueued) {
  CopyIn(first_);
  cuda_.Free(memory_dev_);
  cuda_.DeviceSynchronize();
  memory_dev_ = nullptr;
  const std::vector<std::string> misuses = cuda_.TakeMisuses();
  EXPECT_THAT(misuses, Contains(HasSubstr("Free while work is queued")));
  EXPECT_THAT(misuses, Contains(HasSubstr("memory that is not there")));
}

TEST_F(FakeCudaTest, FindsMemoryThatIsPinnedOrGivenBackTwice) {
  std::vector<uint8_t> memory(4 * 4096);
  EXPECT_EQ(cuda_.HostRegister(memory.data(), 8192), kCudaSuccess);
  EXPECT_NE(cuda_.HostRegister(memory.data() + 8000, 4096), kCudaSuccess);
  EXPECT_EQ(cuda_.HostUnregister(memory.data()), kCudaSuccess);
  cuda_.HostUnregister(memory.data());
  EXPECT_THAT(cuda_.TakeMisuses(),
              ElementsAre(HasSubstr("pinned already"), HasSubstr("not registered")));
}

TEST_F(FakeCudaTest, FindsTheWrongDevice) {
  ASSERT_EQ(cuda_.SetDevice(1), kCudaSuccess);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  ASSERT_EQ(cuda_.SetDevice(0), kCudaSuccess);
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("another device")));
  cuda_.DeviceSynchronize();
  std::thread([this] {
    CudaStream stream = nullptr;
    cuda_.StreamCreate(&stream);
    cuda_.SetDevice(0);
    cuda_.StreamDestroy(stream);
  }).join();
  EXPECT_THAT(cuda_.TakeMisuses(), ElementsAre(HasSubstr("set no device")));
}

TEST_F(FakeCudaTest, FailsTheCallThatItWasToldTo) {
  cuda_.FailCall("EventRecord", 2, kCudaOutOfMemory);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaOutOfMemory);
  EXPECT_EQ(cuda_.EventRecord(event_, first_), kCudaSuccess);
  EXPECT_EQ(cuda_.faults(), 1u);
}

TEST(FakeCudaLeakTest, FindsWhatIsLeft) {
  uint8_t* memory_dev = nullptr;
  EXPECT_NONFATAL_FAILURE(
      {
        FakeCuda cuda;
        cuda.SetDevice(0);
        cuda.Malloc(100, &memory_dev);
      },
      "left: device memory, 100 bytes");
}

}  // namespace
}  // namespace ecf8::testing
