// Messages over a socket: whole ones come out, however their bytes came.

#include "rpc/step_pipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ecf8/v1/session.pb.h"
#include "loader/base/descriptor.h"

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = StepPipe::State;

constexpr size_t kMaxBytes = 64 << 10;

class StepPipeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    here_ = Descriptor(fds[0]);
    there_ = Descriptor(fds[1]);
  }

  void SendRaw(std::string_view bytes) const {
    ASSERT_EQ(send(there_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string Framed(const std::string& message) {
    const auto size = static_cast<uint32_t>(message.size());
    return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + message;
  }
  static v1::SessionRequest Hint(size_t units) {
    v1::SessionRequest request;
    for (size_t i = 0; i < units; ++i) request.mutable_hint()->add_units(static_cast<uint32_t>(i));
    return request;
  }

  // What has come whole.
  static std::vector<std::string> TakeAll(StepPipe& pipe) {
    std::vector<std::string> messages;
    std::string_view message;
    while (pipe.Next(&message) == State::kOpen) messages.emplace_back(message);
    return messages;
  }

  Descriptor here_;
  Descriptor there_;
};

TEST_F(StepPipeTest, MessagesOfManySizesComeAsTheyWent) {
  StepPipe from(there_.get(), kMaxBytes);
  StepPipe to(here_.get(), kMaxBytes);
  for (const size_t units : {0, 1, 2, 1000, 5000, 20000, 3}) {
    const v1::SessionRequest request = Hint(units);
    from.Put(request);
    from.Put(v1::SessionRequest());  // of no bytes
    ASSERT_EQ(from.Flush(), State::kOpen);
    std::vector<std::string> came;
    while (came.size() < 2) {
      ASSERT_EQ(to.Receive(), State::kOpen);
      for (std::string& message : TakeAll(to)) came.push_back(std::move(message));
    }
    EXPECT_THAT(came, ElementsAre(request.SerializeAsString(), ""));
    EXPECT_EQ(to.Receive(), State::kBlocked);
    EXPECT_THAT(TakeAll(to), IsEmpty());
  }
}

TEST_F(StepPipeTest, ByteByByte) {
  StepPipe to(here_.get(), kMaxBytes);
  const std::string message(300, 'm');
  const std::string bytes = Framed(message) + Framed("") + Framed("x");
  std::vector<std::string> came;
  for (const char byte : bytes) {
    SendRaw({&byte, 1});
    ASSERT_EQ(to.Receive(), State::kOpen);
    for (std::string& next : TakeAll(to)) came.push_back(std::move(next));
  }
  EXPECT_THAT(came, ElementsAre(message, "", "x"));
}

TEST_F(StepPipeTest, ManyAtOnceAreKeptUntilTheyAreTaken) {
  StepPipe to(here_.get(), kMaxBytes);
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += Framed(std::to_string(i));
  SendRaw(bytes);
  int taken = 0;
  while (taken < 2000) {
    ASSERT_EQ(to.Receive(), State::kOpen);
    ASSERT_NE(to.Receive(), State::kBroken);  // also where there is no room left
    for (const std::string& message : TakeAll(to)) EXPECT_EQ(message, std::to_string(taken++));
  }
}

TEST_F(StepPipeTest, TheLongestAndALongerOne) {
  StepPipe to(here_.get(), kMaxBytes);
  const std::string message(kMaxBytes, 'm');
  SendRaw(Framed(message));
  std::vector<std::string> came;
  while (came.empty()) {
    ASSERT_EQ(to.Receive(), State::kOpen);
    came = TakeAll(to);
  }
  EXPECT_THAT(came, ElementsAre(message));
  SendRaw(Framed("before it") + Framed(message + "m").substr(0, 100));
  ASSERT_EQ(to.Receive(), State::kOpen);
  EXPECT_THAT(TakeAll(to), ElementsAre("before it"));
  std::string_view next;
  EXPECT_EQ(to.Next(&next), State::kBroken);
}

TEST_F(StepPipeTest, WhatCameBeforeTheEndIsNotLost) {
  StepPipe to(here_.get(), kMaxBytes);
  SendRaw(Framed("last") + Framed("of which a part is missing").substr(0, 10));
  there_ = Descriptor();
  ASSERT_EQ(to.Receive(), State::kOpen);
  EXPECT_THAT(TakeAll(to), ElementsAre("last"));
  EXPECT_EQ(to.Receive(), State::kBroken);
  to.Put(Hint(1));
  EXPECT_EQ(to.Flush(), State::kBroken);
}

TEST_F(StepPipeTest, APeerThatDoesNotReadIsNotWaitedFor) {
  StepPipe from(there_.get(), kMaxBytes);
  StepPipe to(here_.get(), kMaxBytes);
  const v1::SessionRequest request = Hint(5000);
  size_t put = 0;
  do {
    from.Put(request);
    ++put;
  } while (from.Flush() == State::kOpen);
  size_t came = 0;
  while (came < put) {
    const State state = to.Receive();
    for (const std::string& message : TakeAll(to)) {
      EXPECT_EQ(message, request.SerializeAsString());
      ++came;
    }
    if (state == State::kBlocked) {
      ASSERT_NE(from.Flush(), State::kBroken);
    }
  }
  EXPECT_EQ(from.Flush(), State::kOpen);
  EXPECT_EQ(to.Receive(), State::kBlocked);
}

}  // namespace
}  // namespace ecf8
