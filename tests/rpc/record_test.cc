// Recordings of accesses: what they hold, and what those who do not read them cost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "grpcpp/client_context.h"
#include "loader/model/error_info.h"
#include "rpc/error_status.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TestServer;
using ::testing::HasSubstr;

class CountingSink final : public RecordingSink {
 public:
  absl::Status Begin(const std::vector<TraceModel>& models,
                     const std::vector<std::string>& /*names*/) override {
    units = models[0].units.size();
    begun = true;
    return absl::OkStatus();
  }
  absl::Status Add(absl::Span<const TraceRecord> records, uint64_t lost_before) override {
    lost += lost_before;
    for (const TraceRecord& record : records) demands += record.access == Access::kDemand ? 1 : 0;
    return absl::OkStatus();
  }

  std::atomic<bool> begun = false;
  std::atomic<size_t> units = 0;
  std::atomic<uint64_t> demands = 0;
  std::atomic<uint64_t> lost = 0;
};

// Records in a thread until it is stopped.
class Recorder {
 public:
  explicit Recorder(const TestServer& server)
      : client_(
            *WeightClient::Connect(server.address(), std::chrono::seconds(20), stop_.get_token())),
        thread_([this] { status_ = client_->RecordAccesses({}, std::chrono::seconds(0), sink); }) {
    while (!sink.begun) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  absl::Status Stop() {
    stop_.request_stop();
    return Join();
  }
  absl::Status Join() {
    if (thread_.joinable()) thread_.join();
    return status_;
  }
  ~Recorder() { Stop().IgnoreError(); }

  CountingSink sink;

 private:
  std::stop_source stop_;
  std::unique_ptr<WeightClient> client_;
  absl::Status status_;
  std::thread thread_;
};

void FetchAll(const TestServer& server) {
  CollectingSink sink;
  ASSERT_THAT(server.Connect()->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
}

TEST(Record, WhatWasAskedBeforeTheEndIsIn) {
  const TestServer server;
  for (int i = 0; i < 5; ++i) {
    Recorder recorder(server);
    FetchAll(server);
    ASSERT_THAT(recorder.Stop(), IsOk());
    EXPECT_EQ(recorder.sink.units, server.model().unit_count());
    EXPECT_EQ(recorder.sink.demands, server.model().unit_count());
    EXPECT_EQ(recorder.sink.lost, 0u);
  }
}

TEST(Record, TheDaemonsEndEndsItWithAllThatWasAsked) {
  TestServer server;
  Recorder recorder(server);
  FetchAll(server);
  EXPECT_TRUE(server.server().Drain(std::chrono::seconds(5), nullptr));
  const absl::Status end = recorder.Join();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
  ASSERT_TRUE(GetErrorInfo(end).has_value());
  EXPECT_EQ(GetErrorInfo(end)->reason, ErrorReason::kShuttingDown);
  EXPECT_EQ(recorder.sink.demands, server.model().unit_count());
}

TEST(Record, OfOneModelByName) {
  const TestServer server;
  CountingSink sink;
  v1::RecordAccessesRequest request;
  request.add_models("other");
  EXPECT_THAT(server.Connect()->RecordAccesses(request, std::chrono::milliseconds(10), sink),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("other")));
  EXPECT_FALSE(sink.begun);
  request.set_models(0, "small");
  EXPECT_THAT(server.Connect()->RecordAccesses(request, std::chrono::milliseconds(10), sink),
              IsOk());
  EXPECT_TRUE(sink.begun);
  request.add_models("small");
  EXPECT_THAT(server.Connect()->RecordAccesses(request, std::chrono::milliseconds(10), sink),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more models")));
}

TEST(Record, SoManyAtOnceAndNoMore) {
  TestServer server;
  std::vector<std::unique_ptr<Recorder>> recorders;
  for (int i = 0; i < 4; ++i) recorders.push_back(std::make_unique<Recorder>(server));
  CountingSink sink;
  EXPECT_THAT(server.Connect()->RecordAccesses({}, std::chrono::milliseconds(10), sink),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("4")));
  EXPECT_EQ(server.server().stream_count(), 0u);  // they take no place of a fetch
  ASSERT_THAT(recorders.back()->Stop(), IsOk());
  recorders.pop_back();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  absl::Status status = absl::UnknownError("");
  while (!status.ok() && std::chrono::steady_clock::now() < deadline) {
    status = server.Connect()->RecordAccesses({}, std::chrono::milliseconds(10), sink);
  }
  EXPECT_THAT(status, IsOk());
}

// Its messages stay in gRPC's buffers and in the server; the daemon's end does not wait for it.
TEST(Record, ARecorderThatDoesNotReadHoldsUpNobody) {
  TestServer server;
  const auto stub = server.Stub();
  grpc::ClientContext context;
  const auto reader = stub->RecordAccesses(&context, {});
  v1::RecordAccessesResponse message;
  ASSERT_TRUE(reader->Read(&message));
  for (int i = 0; i < 20; ++i) FetchAll(server);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(server.server().Drain(std::chrono::seconds(30), nullptr));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  uint64_t demands = 0;
  while (reader->Read(&message)) {
    for (const auto& access : message.accesses()) {
      demands += access.kind() == v1::RecordedAccess::DEMAND ? 1 : 0;
    }
  }
  EXPECT_EQ(demands, 20u * server.model().unit_count());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace ecf8
