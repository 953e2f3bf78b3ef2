// Models that clients add and remove.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TensorBytes;
using ::ecf8::testing::TestServer;
using ::ecf8::testing::Within20s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ModelServiceTest : public ::testing::Test {
 protected:
  ModelServiceTest() {
    other_ = testing::MakeCompressedModel(server_.directory().path(), "other",
                                          {.layers = 3, .projection_rows = 1500});
    client_ = server_.Connect();
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    const auto models = client_->ListModels();
    EXPECT_THAT(models, IsOk());
    for (const v1::Model& model : *models) names.push_back(model.name());
    return names;
  }

  absl::Status Fetch(const std::string& model, CollectingSink* sink) const {
    v1::FetchRequest request;
    request.set_model(model);
    request.set_form(v1::FORM_DECODED);
    return client_->Fetch(request, false, *sink);
  }
  void ExpectServed(const std::string& model, const TensorBytes& tensors) const {
    CollectingSink sink;
    EXPECT_THAT(Fetch(model, &sink), IsOk());
    EXPECT_EQ(sink.tensors, tensors);
  }
  void ExpectNotFound(const std::string& model) const {
    CollectingSink sink;
    const absl::Status status = Fetch(model, &sink);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr(model)));
    EXPECT_EQ(GetErrorInfo(status)->reason, ErrorReason::kModelNotFound);
  }
  bool MemoryIsFree() const {
    const EngineStats stats = server_.engine().stats();
    return stats.host.free_bytes == stats.host.capacity_bytes &&
           stats.slots.free_bytes == stats.slots.capacity_bytes;
  }
  void Copy(const std::string& from, const std::string& to) const {
    fs::copy(server_.directory() / from, server_.directory() / to);
  }

  TestServer server_{{.layers = 2, .projection_rows = 3000}};
  TensorBytes other_;
  std::unique_ptr<WeightClient> client_;
};

TEST_F(ModelServiceTest, WhatIsAddedIsListedAndFetched) {
  ExpectNotFound("other");
  const auto added = client_->AddModel("other", "");
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(added->name(), "other");
  EXPECT_EQ(added->unit_count(), 5u);
  EXPECT_THAT(Names(), ElementsAre("other", "small"));
  ExpectServed("other", other_);
  ExpectServed("small", server_.tensors());

  const auto removed = client_->RemoveModel("other", added->digest());
  ASSERT_THAT(removed, IsOk());
  EXPECT_EQ(removed->digest(), added->digest());
  EXPECT_THAT(Names(), ElementsAre("small"));
  ExpectNotFound("other");
}

TEST_F(ModelServiceTest, WhatTheDaemonWasStartedWithCanGoToo) {
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  EXPECT_THAT(Names(), ElementsAre());
  ExpectNotFound("small");
  ASSERT_THAT(client_->AddModel("small", ""), IsOk());
  ExpectServed("small", server_.tensors());
}

TEST_F(ModelServiceTest, ErrorsSayWhyAndNameNoPath) {
  const auto expect = [&](const absl::StatusOr<v1::Model>& result, absl::StatusCode code,
                          ErrorReason reason) {
    ASSERT_THAT(result, StatusIs(code, Not(HasSubstr(server_.directory().path()))));
    EXPECT_EQ(GetErrorInfo(result.status())->reason, reason) << result.status();
  };
  expect(client_->AddModel("none", ""), absl::StatusCode::kNotFound, ErrorReason::kModelNotFound);
  expect(client_->AddModel("small.plain", ""), absl::StatusCode::kNotFound,
         ErrorReason::kModelNotFound);
  expect(client_->AddModel("small", ""), absl::StatusCode::kAlreadyExists,
         ErrorReason::kBadRequest);
  expect(client_->AddModel("other", "0123456789abcdef"), absl::StatusCode::kFailedPrecondition,
         ErrorReason::kBadRequest);
  for (const std::string& name :
       {std::string("../x"), std::string("/etc/x"), std::string(), std::string(".")}) {
    expect(client_->AddModel(name, ""), absl::StatusCode::kInvalidArgument,
           ErrorReason::kBadRequest);
  }
  fs::create_symlink("/", server_.directory() / "link");
  expect(client_->AddModel("link", ""), absl::StatusCode::kPermissionDenied,
         ErrorReason::kReadFailed);
  Copy("other", "damaged");
  for (const auto& entry : fs::directory_iterator(server_.directory() / "damaged")) {
    if (entry.path().extension() == ".safetensors") {
      fs::resize_file(entry.path(), entry.file_size() - 9);
    }
  }
  expect(client_->AddModel("damaged", ""), absl::StatusCode::kDataLoss, ErrorReason::kCorruptData);
  expect(client_->RemoveModel("none", ""), absl::StatusCode::kNotFound,
         ErrorReason::kModelNotFound);
  expect(client_->RemoveModel("small", "0123456789abcdef"), absl::StatusCode::kFailedPrecondition,
         ErrorReason::kBadRequest);
  EXPECT_THAT(Names(), ElementsAre("small"));
}

TEST_F(ModelServiceTest, NoMoreThanMaxModels) {
  for (size_t i = 1; i < TestServer::kMaxModels; ++i) {
    const std::string name = "copy" + std::to_string(i);
    Copy("other", name);
    ASSERT_THAT(client_->AddModel(name, ""), IsOk());
  }
  const auto more = client_->AddModel("other", "");
  ASSERT_THAT(more, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("4 models")));
  EXPECT_EQ(GetErrorInfo(more.status())->reason, ErrorReason::kOverloaded);
}

TEST_F(ModelServiceTest, AFetchUnderWayGoesOnToItsEnd) {
  const auto slow = server_.FetchSlowly();
  ASSERT_TRUE(slow->ReadOne());
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  ExpectNotFound("small");
  ASSERT_THAT(client_->AddModel("other", ""), IsOk());
  ExpectServed("other", other_);
  EXPECT_THAT(slow->ReadToTheEnd(), IsOk());
  ASSERT_THAT(client_->RemoveModel("other", ""), IsOk());
  EXPECT_TRUE(Within20s([&] { return MemoryIsFree(); }));
}

TEST_F(ModelServiceTest, ADeletedModelIsServedUntilItIsRemoved) {
  ASSERT_THAT(client_->AddModel("other", ""), IsOk());
  fs::remove_all(server_.directory() / "other");
  ExpectServed("other", other_);
  ASSERT_THAT(client_->RemoveModel("other", ""), IsOk());
  EXPECT_THAT(client_->AddModel("other", ""), StatusIs(absl::StatusCode::kNotFound, ::testing::_));
}

TEST_F(ModelServiceTest, TheSameNameWithOtherWeightsAtOnce) {
  const auto slow = server_.FetchSlowly();
  ASSERT_TRUE(slow->ReadOne());
  ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
  fs::rename(server_.directory() / "small", server_.directory() / "old");
  fs::rename(server_.directory() / "other", server_.directory() / "small");
  ASSERT_THAT(client_->AddModel("small", ""), IsOk());
  ExpectServed("small", other_);
  EXPECT_THAT(slow->ReadToTheEnd(), IsOk());
}

TEST_F(ModelServiceTest, ARecordingGoesOnWithoutAModelThatIsGone) {
  ASSERT_THAT(client_->AddModel("other", ""), IsOk());
  class Sink final : public RecordingSink {
   public:
    absl::Status Begin(const std::vector<TraceModel>& models,
                       const std::vector<std::string>& /*names*/) override {
      EXPECT_EQ(models.size(), 2u);
      begun = true;
      return absl::OkStatus();
    }
    absl::Status Add(absl::Span<const TraceRecord> records, uint64_t /*lost_before*/) override {
      count += records.size();
      return absl::OkStatus();
    }
    std::atomic<bool> begun = false;
    std::atomic<uint64_t> count = 0;
  } sink;
  std::stop_source stop;
  const auto recording_client =
      *WeightClient::Connect(server_.address(), std::chrono::seconds(20), stop.get_token());
  std::thread recorder([&] {
    EXPECT_THAT(recording_client->RecordAccesses({}, std::chrono::seconds(0), sink), IsOk());
  });
  EXPECT_TRUE(Within20s([&] { return sink.begun.load(); }));
  ASSERT_THAT(client_->RemoveModel("other", ""), IsOk());
  ASSERT_THAT(client_->AddModel("other", ""), IsOk());  // another model to the recording
  ExpectServed("other", other_);
  EXPECT_EQ(sink.count, 0u);
  ExpectServed("small", server_.tensors());
  EXPECT_TRUE(Within20s([&] { return sink.count > 0; }));
  stop.request_stop();
  recorder.join();
}

TEST_F(ModelServiceTest, ManyClientsAtOnce) {
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      const auto client = server_.Connect();
      for (int round = 0; round < 10; ++round) {
        const absl::Status added = client->AddModel("other", "").status();
        EXPECT_TRUE(added.ok() || absl::IsAlreadyExists(added)) << added;
        CollectingSink sink;
        v1::FetchRequest request;
        request.set_model("other");
        request.set_form(v1::FORM_STORED);
        const absl::Status fetched = client->Fetch(request, true, sink);
        EXPECT_TRUE(fetched.ok() || absl::IsNotFound(fetched)) << fetched;
        const absl::Status removed = client->RemoveModel("other", "").status();
        EXPECT_TRUE(removed.ok() || absl::IsNotFound(removed)) << removed;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  ASSERT_THAT(client_->AddModel("other", ""), IsOk());
  ExpectServed("other", other_);
}

TEST_F(ModelServiceTest, AStoppingDaemonTakesNoModel) {
  const auto slow = server_.FetchSlowly();
  ASSERT_TRUE(slow->ReadOne());
  std::thread drain([&] { server_.server().Drain(std::chrono::seconds(20), nullptr); });
  EXPECT_TRUE(Within20s([&] {
    const absl::Status status = client_->AddModel("other", "").status();
    if (status.ok()) client_->RemoveModel("other", "").status().IgnoreError();
    return absl::IsUnavailable(status);
  }));
  EXPECT_THAT(slow->ReadToTheEnd(), IsOk());
  drain.join();
}

}  // namespace
}  // namespace ecf8
