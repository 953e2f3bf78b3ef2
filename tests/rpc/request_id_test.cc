// The id that a client gives a call by metadata, in the daemon's log and in the call's error.

#include "rpc/request_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ecf8/v1/control.grpc.pb.h"
#include "ecf8/v1/models.grpc.pb.h"
#include "spdlog/sinks/base_sink.h"
#include "spdlog/spdlog.h"
#include "tests/rpc/test_server.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::TestServer;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

using Line = std::pair<std::string, std::string>;

// Keeps each line with the request that it is about.
class LogEar final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::vector<Line> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_.emplace_back(std::string(message.payload.data(), message.payload.size()),
                        LoggedRequest::current());
  }
  void flush_() override {}

 private:
  std::vector<Line> lines_;
};

class RequestIdTest : public ::testing::Test {
 protected:
  RequestIdTest() : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>("test", heard_);
    logger->set_level(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
    server_.emplace();
  }
  ~RequestIdTest() override {
    server_.reset();  // its threads log
    spdlog::set_default_logger(before_);
  }

  bool Hears(const std::string& text, const std::string& id) {
    return Within20s([&] {
      for (const Line& line : heard_->lines()) {
        if (line.first.find(text) != std::string::npos && line.second == id) return true;
      }
      return false;
    });
  }

  const std::shared_ptr<LogEar> heard_ = std::make_shared<LogEar>();
  const std::shared_ptr<spdlog::logger> before_;
  std::optional<TestServer> server_;
};

TEST_F(RequestIdTest, StandsInTheLinesOfItsCall) {
  const auto channel = server_->Channel();
  const auto stub = v1::WeightService::NewStub(channel);
  {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "fetch-1");
    const auto reader = stub->Fetch(&context, testing::Request(v1::FORM_STORED, {"head"}));
    v1::FetchResponse response;
    while (reader->Read(&response)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
  EXPECT_TRUE(Hears("fetch of \"small\": done", "fetch-1"));
  {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "ignored");
    v1::FetchRequest request = testing::Request(v1::FORM_STORED, {"head"});
    request.set_request_id("from message");
    const auto reader = stub->Fetch(&context, request);
    v1::FetchResponse response;
    while (reader->Read(&response)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
  EXPECT_TRUE(Hears("fetch of \"small\": done", "from message"));
  {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "pin-1");
    v1::PinRequest request;
    request.mutable_units()->set_model("small");
    request.mutable_units()->set_tier(v1::MEMORY_TIER_HOST);
    v1::PinResponse response;
    EXPECT_TRUE(v1::ControlService::NewStub(channel)->Pin(&context, request, &response).ok());
  }
  EXPECT_TRUE(Hears("pin of \"small\": done", "pin-1"));
  {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "remove-1");
    v1::RemoveModelRequest request;
    request.set_name("small");
    v1::RemoveModelResponse response;
    EXPECT_TRUE(v1::ModelService::NewStub(channel)->RemoveModel(&context, request, &response).ok());
  }
  EXPECT_TRUE(Hears("model \"small\" was removed", "remove-1"));
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  EXPECT_TRUE(stub->ListModels(&context, {}, &response).ok());
  EXPECT_EQ(LoggedRequest::current(), "");
}

TEST_F(RequestIdTest, IsCutAndCleanedAndComesBackInErrors) {
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "a \"b\"=" + std::string(100, 'x'));
  const auto stub = server_->Stub();
  const auto reader = stub->Fetch(&context, testing::Request(v1::FORM_STORED, {"nonsense"}));
  v1::FetchResponse response;
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  const std::string id = "a__b_=" + std::string(58, 'x');
  EXPECT_TRUE(Hears("refused a request", id));
  EXPECT_THAT(status.error_details(), HasSubstr(id));
}

}  // namespace
}  // namespace ecf8
