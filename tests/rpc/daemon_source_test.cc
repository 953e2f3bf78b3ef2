// A model's files by ReadFile, and a model that is pulled from another daemon.

#include "rpc/daemon_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "grpcpp/client_context.h"
#include "loader/model/error_info.h"
#include "loader/remote/pull.h"
#include "rpc/error_status.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::IsOk;
using ::ecf8::testing::ReadFile;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::TestServer;
using ::testing::HasSubstr;
using ::testing::Not;

// Several shards, and files beside them.
const testing::SmallModelOptions kShards = {
    .layers = 4, .projection_rows = 3000, .shard_size_bytes = 4'000'000};

class DaemonSourceTest : public ::testing::Test {
 protected:
  std::string ModelPath(const std::string& file) const {
    return server_.directory() / ("small/" + file);
  }
  std::string FirstShard() const { return server_.model().shards()[0].file_name; }
  uint64_t FirstShardBytes() const { return server_.model().shards()[0].size_bytes; }

  static v1::ReadFileRequest Part(const std::string& path, uint64_t offset_bytes,
                                  uint64_t size_bytes) {
    v1::ReadFileRequest request;
    request.set_model("small");
    request.set_path(path);
    request.set_offset_bytes(offset_bytes);
    request.set_size_bytes(size_bytes);
    return request;
  }
  // What a daemon answers, unchecked.
  absl::StatusOr<std::string> Ask(const v1::ReadFileRequest& request,
                                  uint64_t* file_size_bytes = nullptr) const {
    const auto stub = server_.Stub();
    grpc::ClientContext context;
    const auto reader = stub->ReadFile(&context, request);
    v1::ReadFileResponse message;
    std::string data;
    while (reader->Read(&message)) {
      data += message.data();
      EXPECT_LE(message.data().size(), size_t{1} << 20);
      if (file_size_bytes != nullptr) *file_size_bytes = message.file_size_bytes();
    }
    const absl::Status status = FromGrpcStatus(reader->Finish());
    if (!status.ok()) return status;
    return data;
  }
  void ExpectRefused(const v1::ReadFileRequest& request, absl::StatusCode code) const {
    const absl::Status status = Ask(request).status();
    EXPECT_EQ(status.code(), code) << status << " for " << request.ShortDebugString();
    ASSERT_TRUE(GetErrorInfo(status).has_value()) << status;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(server_.directory().path())));
  }

  bool HasFileStreams(size_t count) {
    return testing::Within20s([&] { return server_.server().file_stream_count() == count; });
  }

  std::unique_ptr<ObjectSource> Source(DaemonSourceOptions options = {},
                                       const std::string& model = "small") const {
    auto source = OpenDaemonSource({.address = server_.address(), .model = model}, options);
    EXPECT_THAT(source, IsOk());
    return *std::move(source);
  }

  TestServer server_{kShards};
  TempDir directory_;
  const std::string pulled_ = directory_ / "pulled";
};

TEST_F(DaemonSourceTest, AnyPartOfAnyFileOfTheModel) {
  const uint64_t size_bytes = FirstShardBytes();
  ASSERT_GT(size_bytes, uint64_t{1} << 20);
  ASSERT_GT(server_.model().shards().size(), 2u);
  const std::string whole = ReadFile(ModelPath(FirstShard()));
  for (const auto& [begin, size] : std::vector<std::pair<uint64_t, uint64_t>>{{0, 1},
                                                                              {0, 8},
                                                                              {4095, 4097},
                                                                              {size_bytes - 1, 1},
                                                                              {7, (1 << 20) + 1},
                                                                              {0, size_bytes}}) {
    uint64_t told_bytes = 0;
    const auto part = Ask(Part(FirstShard(), begin, size), &told_bytes);
    ASSERT_THAT(part, IsOk());
    EXPECT_EQ(*part == whole.substr(begin, size), true) << begin << ", " << size;
    EXPECT_EQ(told_bytes, size_bytes);
  }
  const std::string config = ReadFile(ModelPath("config.json"));
  EXPECT_EQ(*Ask(Part("config.json", 0, config.size())), config);
}

TEST_F(DaemonSourceTest, NothingElseIsRead) {
  testing::WriteFile(ModelPath("secret.txt"), "a file that no manifest names");
  for (const std::string& path : std::vector<std::string>{
           "", ".", "..", "../small/config.json", "./config.json", "/etc/passwd", "secret.txt",
           "config.json/", std::string("config.json\0", 12), std::string(5000, 'x')}) {
    ExpectRefused(Part(path, 0, 1), absl::StatusCode::kNotFound);
  }
  const uint64_t size_bytes = FirstShardBytes();
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  for (const auto& [begin, size] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, 0}, {size_bytes, 1}, {0, size_bytes + 1}, {kMost, 1}, {1, kMost}, {kMost, kMost}}) {
    ExpectRefused(Part(FirstShard(), begin, size), absl::StatusCode::kInvalidArgument);
  }
  v1::ReadFileRequest other = Part(FirstShard(), 0, 1);
  other.set_digest("0123456789abcdef");
  ExpectRefused(other, absl::StatusCode::kFailedPrecondition);
  other.set_model("none");
  ExpectRefused(other, absl::StatusCode::kNotFound);
}

// The shards are those that are served; another file is whatever lies there, below the directory.
TEST_F(DaemonSourceTest, WhatBecomesOfTheFilesMeanwhile) {
  const std::string shard = ReadFile(ModelPath(FirstShard()));
  const std::string config = ReadFile(ModelPath("config.json"));
  fs::remove(ModelPath(FirstShard()));
  EXPECT_EQ(*Ask(Part(FirstShard(), 0, 1000)), shard.substr(0, 1000));
  const std::string outside = directory_ / "outside";
  testing::WriteFile(outside, config);
  fs::remove(ModelPath("config.json"));
  ExpectRefused(Part("config.json", 0, 1), absl::StatusCode::kDataLoss);
  fs::create_symlink(outside, ModelPath("config.json"));
  ExpectRefused(Part("config.json", 0, 1), absl::StatusCode::kFailedPrecondition);
  fs::remove(ModelPath("config.json"));
  testing::WriteFile(ModelPath("config.json"), config + " ");
  ExpectRefused(Part("config.json", 0, 1), absl::StatusCode::kDataLoss);
}

TEST_F(DaemonSourceTest, AClientThatDoesNotReadHoldsOneMessage) {
  const auto stub = server_.Stub();
  {
    grpc::ClientContext context;
    const auto reader = stub->ReadFile(&context, Part(FirstShard(), 0, FirstShardBytes()));
    v1::ReadFileResponse message;
    ASSERT_TRUE(reader->Read(&message));
    EXPECT_TRUE(HasFileStreams(1));
    context.TryCancel();
    while (reader->Read(&message)) {
    }
    reader->Finish();
  }
  EXPECT_TRUE(HasFileStreams(0));
}

TEST_F(DaemonSourceTest, APulledModelIsTheSameByteForByte) {
  for (const int connections : {1, 8}) {
    fs::remove_all(pulled_);
    const auto source = Source({.connections = connections});
    const auto summary = PullModel(*source, pulled_, {});
    ASSERT_THAT(summary, IsOk());
    EXPECT_EQ(summary->digest, server_.model().digest());
    EXPECT_EQ(summary->retries, 0u);
    testing::ExpectSameFiles(pulled_, server_.directory() / "small");
  }
}

TEST_F(DaemonSourceTest, SaysWhyNot) {
  EXPECT_THAT(PullModel(*Source({}, "none"), pulled_, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no model \"none\"")));
  auto nobody = OpenDaemonSource(
      {.address = Address{.socket_path = directory_ / "nobody"}, .model = "small"},
      {.retry = {.first_ms = 1}, .connect_timeout = std::chrono::milliseconds(100)});
  EXPECT_THAT(PullModel(**nobody, pulled_, {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("given up after 3 attempts")));
  EXPECT_FALSE(fs::exists(pulled_));
}

TEST_F(DaemonSourceTest, ACancelEndsItSoon) {
  std::atomic<bool> cancel = false;
  std::stop_source stop;
  const auto source =
      Source({.connections = 2, .max_rate_bytes_per_second = 65536, .stop = stop.get_token()});
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cancel = true;
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(PullModel(*source, pulled_, {.cancel = &cancel}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  canceller.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(DaemonSource, Addresses) {
  EXPECT_TRUE(IsDaemonSource("ecf8://host:50051/model"));
  EXPECT_FALSE(IsDaemonSource("https://host/model"));
  const auto parsed = ParseDaemonSource("ecf8://[::1]:50051/a-model", /*insecure=*/false);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->model, "a-model");
  EXPECT_EQ(parsed->address.ToString(), "tls:[::1]:50051");
  EXPECT_FALSE(ParseDaemonSource("ecf8://host:1/model", /*insecure=*/true)->address.tls);
  for (const char* const wrong : {"ecf8://", "ecf8://host:1", "ecf8://host:1/", "ecf8://host/model",
                                  "ecf8:///model", "ecf8://host:1/a/b", "ecf8://unix:x/model"}) {
    EXPECT_THAT(ParseDaemonSource(wrong, true),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ecf8://HOST:PORT/MODEL")))
        << wrong;
  }
}

}  // namespace
}  // namespace ecf8
