// Many clients, slow ones, and ones that leave: what one does costs the others nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "grpcpp/client_context.h"
#include "loader/model/error_info.h"
#include "tests/rpc/test_server.h"
#include "tests/support/heap_bytes.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::HeapBytes;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::SettledHeapBytes;
using ::ecf8::testing::SlowClient;
using ::ecf8::testing::SmallModelOptions;
using ::ecf8::testing::TestServer;

// 40 MB decoded: far more than any buffer between a server and a client that does not read.
constexpr SmallModelOptions kLarge{.layers = 2, .projection_rows = 20'000};

TEST(StreamLimits, ASlowClientCostsAFixedAmountOfMemory) {
  TestServer server(kLarge);
  CollectingSink warm_up;
  ASSERT_THAT(server.Connect()->Fetch(Request(v1::FORM_DECODED, {"layers.0"}), false, warm_up),
              IsOk());
  warm_up.tensors.clear();

  const size_t before = HeapBytes();
  constexpr size_t kClients = 8;
  std::vector<std::unique_ptr<SlowClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(server.FetchSlowly());
    ASSERT_TRUE(clients.back()->ReadOne());
  }
  ASSERT_TRUE(server.WaitForStreams(kClients));
  // Two messages, the serialised copy of one, the chunk as stored, tables; and the client's
  // message. A stream has 40 MB to send.
  EXPECT_LT(SettledHeapBytes() - before, kClients * (6u << 20));

  // Others go on meanwhile.
  CollectingSink sink;
  EXPECT_THAT(server.Connect()->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
  EXPECT_EQ(sink.tensors, server.tensors());

  for (auto& client : clients) EXPECT_THAT(client->ReadToTheEnd(), IsOk());
  EXPECT_TRUE(server.WaitForStreams(0));
}

TEST(StreamLimits, ACancelledFetchEnds) {
  TestServer server(kLarge);
  const auto client = server.FetchSlowly();
  ASSERT_TRUE(client->ReadOne());
  ASSERT_TRUE(server.WaitForStreams(1));
  client->Cancel();
  EXPECT_TRUE(server.WaitForStreams(0));
  EXPECT_EQ(client->ReadToTheEnd().code(), absl::StatusCode::kCancelled);
}

TEST(StreamLimits, AClientThatDiesEnds) {
  TestServer server(kLarge);
  {
    const auto client = server.FetchSlowly();
    ASSERT_TRUE(client->ReadOne());
    ASSERT_TRUE(server.WaitForStreams(1));
    client->Cancel();
  }
  EXPECT_TRUE(server.WaitForStreams(0));
}

TEST(StreamLimits, ADeadlineEndsAFetchThatNobodyReads) {
  TestServer server(kLarge);
  const auto stub = server.Stub();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(3));
  const auto reader = stub->Fetch(&context, Request(v1::FORM_DECODED));
  v1::FetchResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_TRUE(server.WaitForStreams(0));
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(StreamLimits, BeyondTheLimitAFetchIsRefused) {
  TestServer server(kLarge, /*max_streams=*/2);
  const auto first = server.FetchSlowly();
  const auto second = server.FetchSlowly();
  ASSERT_TRUE(server.WaitForStreams(2));
  const absl::Status refused = server.FetchSlowly()->ReadToTheEnd();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  ASSERT_TRUE(GetErrorInfo(refused).has_value());
  EXPECT_EQ(GetErrorInfo(refused)->reason, ErrorReason::kOverloaded);

  EXPECT_THAT(first->ReadToTheEnd(), IsOk());
  EXPECT_TRUE(server.WaitForStreams(1));
  EXPECT_THAT(server.FetchSlowly()->ReadToTheEnd(), IsOk());
  EXPECT_THAT(second->ReadToTheEnd(), IsOk());
}

TEST(StreamLimits, ManyFetchesAtOnceAllArrive) {
  TestServer server;
  constexpr size_t kClients = 64;
  std::vector<absl::Status> results(kClients);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      const auto client = server.Connect();
      if (client == nullptr) return void(results[i] = absl::UnavailableError("no connection"));
      CollectingSink sink;
      const bool stored = i % 2 == 1;
      results[i] =
          client->Fetch(Request(stored ? v1::FORM_STORED : v1::FORM_DECODED), stored, sink);
      if (!stored && sink.tensors != server.tensors()) {
        results[i].Update(absl::InternalError("wrong bytes"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EXPECT_THAT(result, IsOk());
  EXPECT_TRUE(server.WaitForStreams(0));
}

}  // namespace
}  // namespace ecf8
