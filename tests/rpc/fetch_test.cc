// What a client asks for arrives, in both forms, and every refusal says what is wrong.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "grpcpp/client_context.h"
#include "loader/model/error_info.h"
#include "loader/serve/selection.h"
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FetchTest : public ::testing::Test {
 protected:
  // One server for all of them: making a model takes most of the time.
  static void SetUpTestSuite() { server_ = new TestServer; }
  static void TearDownTestSuite() { delete server_; }

  // The status of a fetch that no client of ours checks, as the client's library sees it.
  static absl::Status RawFetch(const v1::FetchRequest& request, int* messages = nullptr) {
    const auto stub = server_->Stub();
    grpc::ClientContext context;
    const auto reader = stub->Fetch(&context, request);
    v1::FetchResponse message;
    int count = 0;
    while (reader->Read(&message)) ++count;
    if (messages != nullptr) *messages = count;
    return FromGrpcStatus(reader->Finish());
  }

  static void ExpectRefused(const v1::FetchRequest& request, absl::StatusCode code,
                            ErrorReason reason) {
    int messages = -1;
    const absl::Status status = RawFetch(request, &messages);
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(messages, 0);
    ASSERT_TRUE(GetErrorInfo(status).has_value()) << status;
    EXPECT_EQ(GetErrorInfo(status)->reason, reason);
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(server_->directory().path())));
  }

  static TestServer* server_;
};

TestServer* FetchTest::server_ = nullptr;

TEST_F(FetchTest, ListsAndDescribesTheModel) {
  const auto client = server_->Connect();
  const auto models = client->ListModels();
  ASSERT_THAT(models, IsOk());
  ASSERT_EQ(models->size(), 1u);
  EXPECT_EQ(models->front().name(), "small");
  EXPECT_EQ(models->front().digest(), server_->model().digest());
  EXPECT_EQ(models->front().tensor_count(), server_->tensors().size());
  uint64_t decoded_bytes = 0;
  for (const auto& [name, bytes] : server_->tensors()) decoded_bytes += bytes.size();
  EXPECT_EQ(models->front().decoded_size_bytes(), decoded_bytes);

  std::vector<std::string> units;
  const auto model = client->DescribeModel("small", true, [&](const v1::Unit& unit) {
    EXPECT_EQ(unit.index(), units.size());
    units.push_back(unit.id());
    for (const v1::Tensor& tensor : unit.tensors()) {
      EXPECT_EQ(tensor.size_bytes(), server_->tensors().at(tensor.name()).size());
      EXPECT_EQ(tensor.chunk_xxh3_size(),
                (static_cast<int>(tensor.size_bytes()) + (1 << 20) - 1) >> 20);
    }
    return absl::OkStatus();
  });
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(units, ElementsAre("embed", "layers.0", "layers.1", "head"));
  EXPECT_THAT(
      client->DescribeModel("other", false, [](const v1::Unit&) { return absl::OkStatus(); }),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"other\"")));
}

TEST_F(FetchTest, TheWholeModelDecodedIsTheOriginal) {
  CollectingSink sink;
  ASSERT_THAT(server_->Connect()->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
  EXPECT_EQ(sink.tensors, server_->tensors());
  EXPECT_THAT(sink.units, ElementsAre("embed", "layers.0", "layers.1", "head"));
}

TEST_F(FetchTest, TheWholeModelStoredDecodesOnTheClient) {
  CollectingSink sink;
  ASSERT_THAT(server_->Connect()->Fetch(Request(v1::FORM_STORED), /*verify=*/true, sink), IsOk());
  EXPECT_EQ(sink.units.size(), 4u);
  uint64_t stored_bytes = 0;
  for (uint32_t i = 0; i < server_->model().unit_count(); ++i) {
    const Unit& unit = server_->model().unit(i);
    stored_bytes += unit.tables_size_bytes;
    for (const Piece& piece : unit.pieces) stored_bytes += piece.stored_size_bytes;
  }
  EXPECT_EQ(sink.received_bytes, stored_bytes);
}

TEST_F(FetchTest, UnitsAndTensorsComeInTheOrderAskedFor) {
  const auto request =
      Request(v1::FORM_DECODED, {"head", "embed"},
              {"model.layers.1.input_layernorm.weight", "model.layers.0.self_attn.q_proj.weight",
               "model.layers.1.empty.weight"});
  CollectingSink sink;
  ASSERT_THAT(server_->Connect()->Fetch(request, false, sink), IsOk());
  EXPECT_THAT(sink.units, ElementsAre("head", "embed", "layers.1", "layers.0"));
  EXPECT_EQ(sink.tensors.size(), 5u);
  for (const auto& [name, bytes] : sink.tensors)
    EXPECT_EQ(bytes, server_->tensors().at(name)) << name;
}

TEST_F(FetchTest, StoredTensorsDecodeOnTheClient) {
  const auto request =
      Request(v1::FORM_STORED, {},
              {"model.layers.0.self_attn.q_proj.weight", "model.layers.1.input_layernorm.weight"});
  CollectingSink sink;
  EXPECT_THAT(server_->Connect()->Fetch(request, /*verify=*/true, sink), IsOk());
  EXPECT_THAT(sink.units, ElementsAre("layers.0", "layers.1"));
}

TEST_F(FetchTest, ASinksErrorEndsTheFetch) {
  class FullDisk final : public FetchSink {
    absl::Status UnitBegin(const v1::Unit&) override { return absl::OkStatus(); }
    absl::Status UnitData(uint64_t, std::string_view) override {
      return absl::ResourceExhaustedError("disk full");
    }
    absl::Status UnitEnd() override { return absl::OkStatus(); }
  };
  FullDisk sink;
  EXPECT_THAT(server_->Connect()->Fetch(Request(v1::FORM_DECODED), false, sink),
              StatusIs(absl::StatusCode::kResourceExhausted, "disk full"));
  EXPECT_TRUE(server_->WaitForStreams(0));
}

TEST_F(FetchTest, RefusesUnknownModels) {
  for (const std::string& name :
       {std::string(), std::string("../small"), std::string("/etc"), std::string("small\0", 6),
        std::string("small/"), std::string(900'000, 'x')}) {
    v1::FetchRequest request = Request(v1::FORM_DECODED);
    request.set_model(name);
    ExpectRefused(request, absl::StatusCode::kNotFound, ErrorReason::kModelNotFound);
  }
}

TEST_F(FetchTest, RefusesUnknownUnitsAndTensors) {
  for (const std::string& name :
       {std::string("layers.2"), std::string(), std::string("../../etc/passwd"),
        std::string("head\0", 5), std::string(900'000, '.')}) {
    ExpectRefused(Request(v1::FORM_DECODED, {"head", name}), absl::StatusCode::kNotFound,
                  ErrorReason::kUnitNotFound);
    ExpectRefused(Request(v1::FORM_STORED, {}, {"lm_head.weight", name}),
                  absl::StatusCode::kNotFound, ErrorReason::kTensorNotFound);
  }
}

TEST_F(FetchTest, RefusesBadRequests) {
  const auto bad = absl::StatusCode::kInvalidArgument;
  ExpectRefused(Request(v1::FORM_UNSPECIFIED), bad, ErrorReason::kBadRequest);
  ExpectRefused(Request(static_cast<v1::Form>(77)), bad, ErrorReason::kBadRequest);
  ExpectRefused(Request(v1::FORM_DECODED, {"head", "head"}), bad, ErrorReason::kBadRequest);
  ExpectRefused(Request(v1::FORM_DECODED, {"head"}, {"lm_head.weight"}), bad,
                ErrorReason::kBadRequest);
  ExpectRefused(Request(v1::FORM_DECODED, std::vector<std::string>(kMaxSelectedItems + 1, "x")),
                bad, ErrorReason::kBadRequest);
  v1::FetchRequest request = Request(v1::FORM_DECODED);
  request.set_request_id(std::string(65, 'r'));
  ExpectRefused(request, bad, ErrorReason::kBadRequest);
}

TEST_F(FetchTest, RefusesRequestsThatAreTooLarge) {
  const absl::Status status = RawFetch(Request(v1::FORM_DECODED, {std::string(2 << 20, 'x')}));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST_F(FetchTest, GoesOnAfterAllThat) {
  CollectingSink sink;
  EXPECT_THAT(server_->Connect()->Fetch(Request(v1::FORM_DECODED, {"head"}), false, sink), IsOk());
}

TEST(FetchDamaged, NamesWhereButNoPathAndGivesNoWrongByte) {
  TestServer server;
  const CompressedModel& model = server.model();
  const uint32_t index = *model.FindUnit("layers.1");
  const std::string shard = model.shard_of(index).file_name;
  const uint64_t middle = model.unit(index).offset_bytes + model.unit(index).stored_size_bytes / 2;
  std::fstream file(server.directory() / ("small/" + shard),
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(middle));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(middle));
  file.put(static_cast<char>(byte ^ 1));
  file.close();

  for (const v1::Form form : {v1::FORM_STORED, v1::FORM_DECODED}) {
    CollectingSink sink;
    const absl::Status status = server.Connect()->Fetch(Request(form), false, sink);
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(shard));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("/")));
    ASSERT_TRUE(GetErrorInfo(status).has_value());
    EXPECT_EQ(GetErrorInfo(status)->reason, ErrorReason::kCorruptData);
    EXPECT_EQ(GetErrorInfo(status)->unit, "layers.1");
    EXPECT_EQ(GetErrorInfo(status)->tensor, "model.layers.1.self_attn.q_proj.weight");
    for (const auto& [name, bytes] : sink.tensors) {
      if (form != v1::FORM_DECODED) continue;
      EXPECT_EQ(server.tensors().at(name).compare(0, bytes.size(), bytes), 0) << name;
    }
    // Undamaged units are still served.
    CollectingSink other;
    EXPECT_THAT(server.Connect()->Fetch(Request(form, {"layers.0"}), true, other), IsOk());
  }
}

}  // namespace
}  // namespace ecf8
