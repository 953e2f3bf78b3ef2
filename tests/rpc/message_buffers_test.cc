// Buffers that are lent: back when the last slice has gone, and not before.

#include "rpc/message_buffers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace ecf8 {
namespace {

constexpr size_t kBytes = 100'000;

TEST(MessageBuffers, ComeBackWithTheLastSlice) {
  const auto buffers = std::make_shared<MessageBuffers>(kBytes, /*kept=*/2);
  MessageBuffers::Buffer buffer = buffers->Take();
  ASSERT_NE(buffer, nullptr);
  EXPECT_EQ(buffers->Span(buffer).size(), kBytes);
  uint8_t* const memory = buffer.get();
  memory[99] = 42;
  std::optional<grpc::Slice> slice = buffers->Lend(std::move(buffer), 100);
  EXPECT_EQ(slice->size(), 100u);
  EXPECT_EQ(slice->begin()[99], 42);
  std::optional<grpc::Slice> other = slice;
  slice.reset();
  EXPECT_NE(buffers->Take().get(), memory);
  other.reset();
  EXPECT_EQ(buffers->Take().get(), memory);
}

TEST(MessageBuffers, KeepsSoManyAndNoMore) {
  const auto buffers = std::make_shared<MessageBuffers>(kBytes, /*kept=*/2);
  std::vector<MessageBuffers::Buffer> taken;
  for (int i = 0; i < 4; ++i) taken.push_back(buffers->Take());
  for (MessageBuffers::Buffer& buffer : taken) buffers->Give(std::move(buffer));
  EXPECT_EQ(buffers->kept(), 2u);
}

TEST(MessageBuffers, SlicesMayOutliveThem) {
  auto buffers = std::make_shared<MessageBuffers>(kBytes, /*kept=*/2);
  grpc::Slice slice = buffers->Lend(buffers->Take(), kBytes);
  buffers.reset();
  EXPECT_EQ(slice.size(), kBytes);
}

TEST(MessageBuffers, ManyThreadsMayUseThem) {
  const auto buffers = std::make_shared<MessageBuffers>(kBytes, /*kept=*/3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&buffers, i] {
      for (int round = 0; round < 500; ++round) {
        MessageBuffers::Buffer buffer = buffers->Take();
        uint8_t* const memory = buffer.get();
        memory[0] = static_cast<uint8_t>(i);
        const grpc::Slice slice = buffers->Lend(std::move(buffer), 10);
        EXPECT_EQ(slice.begin()[0], i);  // nobody else has it
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(buffers->kept(), 3u);
}

}  // namespace
}  // namespace ecf8
