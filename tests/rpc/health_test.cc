// The health service, asked as its protocol says, and reflection.

#include "rpc/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "grpcpp/generic/generic_stub.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::TestServer;
using ::ecf8::testing::Within20s;

// Of grpc.health.v1.HealthCheckResponse, beside what a call can end with.
enum class Answer { kServing = 1, kNotServing = 2, kUnknown, kUnreachable };

// HealthCheckRequest and HealthCheckResponse have one field each: 1, a string, and 1, an enum.
Answer Check(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  std::string message;
  if (!service.empty()) message = std::string("\x0a") + static_cast<char>(service.size()) + service;
  const grpc::Slice slice(message);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::CompletionQueue queue;
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return Answer::kUnknown;
  if (!status.ok()) return Answer::kUnreachable;
  grpc::Slice bytes;
  EXPECT_TRUE(response.DumpToSingleSlice(&bytes).ok());
  EXPECT_EQ(bytes.size(), 2u);
  return static_cast<Answer>(bytes.begin()[1]);
}

TEST(Health, TellsLivenessReadinessAndModelsApart) {
  TestServer server({.layers = 2, .projection_rows = 20'000});
  const auto channel = server.Channel();
  EXPECT_EQ(Check(channel, ""), Answer::kServing);
  EXPECT_EQ(Check(channel, std::string(kReadiness)), Answer::kServing);
  EXPECT_EQ(Check(channel, "models/small"), Answer::kServing);
  EXPECT_EQ(Check(channel, "models/other"), Answer::kUnknown);

  // Models come and go.
  testing::MakeCompressedModel(server.directory().path(), "other", {});
  EXPECT_THAT(server.server().models().Add(testing::OpenModel(server.directory() / "other")),
              testing::IsOk());
  EXPECT_EQ(Check(channel, "models/other"), Answer::kServing);
  EXPECT_THAT(server.server().models().Remove("other"), testing::IsOk());
  EXPECT_EQ(Check(channel, "models/other"), Answer::kNotServing);

  // While it drains, for a client that does not read, it is alive and nothing else.
  const auto slow = server.FetchSlowly();
  ASSERT_TRUE(slow->ReadOne());
  std::thread drain([&] { server.server().Drain(std::chrono::seconds(20), nullptr); });
  EXPECT_TRUE(Within20s([&] {
    return Check(channel, std::string(kReadiness)) == Answer::kNotServing &&
           Check(channel, "models/small") == Answer::kNotServing;
  }));
  EXPECT_EQ(Check(channel, ""), Answer::kServing);
  slow->Cancel();
  drain.join();
}

// By the method's presence: what it answers is gRPC's.
TEST(Health, ReflectionIsThere) {
  TestServer server({.layers = 1, .projection_rows = 4});
  grpc::GenericStub stub(server.Channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice list("\x3a\x01*");  // list_services = 7: "*"
  call->Write(grpc::ByteBuffer(&list, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::Slice bytes;
  ASSERT_TRUE(response.DumpToSingleSlice(&bytes).ok());
  EXPECT_THAT(std::string(bytes.begin(), bytes.end()),
              ::testing::HasSubstr("ecf8.v1.WeightService"));
  context.TryCancel();
}

}  // namespace
}  // namespace ecf8
