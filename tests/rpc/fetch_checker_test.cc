// A daemon that lies: right messages, with one thing wrong.

#include "rpc/fetch_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "decoder/checksum.h"
#include "grpcpp/client_context.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::TestServer;

using Messages = std::vector<v1::FetchResponse>;

void FixChecksum(v1::UnitData* data) {
  data->set_xxh3(
      Xxh3({reinterpret_cast<const uint8_t*>(data->data().data()), data->data().size()}));
}

class FetchCheckerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    TestServer server;
    decoded_ = new Messages(Record(server, Request(v1::FORM_DECODED)));
    stored_ = new Messages(Record(server, Request(v1::FORM_STORED)));
    tensor_ = new Messages(Record(server, Request(v1::FORM_DECODED, {}, {"lm_head.weight"})));
  }
  static void TearDownTestSuite() {
    delete decoded_;
    delete stored_;
    delete tensor_;
  }

  static Messages Record(const TestServer& server, const v1::FetchRequest& request) {
    const auto stub = server.Stub();
    grpc::ClientContext context;
    const auto reader = stub->Fetch(&context, request);
    Messages messages;
    v1::FetchResponse message;
    while (reader->Read(&message)) messages.push_back(message);
    EXPECT_TRUE(reader->Finish().ok());
    return messages;
  }

  static absl::Status Check(const Messages& messages, const v1::FetchRequest& request,
                            bool decode = true) {
    CollectingSink sink;
    FetchChecker checker(request, /*model_unit_count=*/4, decode, sink);
    ReceivedMessage received;
    for (const v1::FetchResponse& message : messages) {
      EXPECT_THAT(received.Parse(PlainMessage(message)), IsOk());
      if (absl::Status status = checker.Accept(received); !status.ok()) return status;
    }
    return checker.Finish();
  }

  static void ExpectBad(v1::Form form, const std::function<void(Messages*)>& spoil) {
    Messages messages = form == v1::FORM_STORED ? *stored_ : *decoded_;
    ASSERT_THAT(Check(messages, Request(form)), IsOk());
    spoil(&messages);
    const absl::Status status = Check(messages, Request(form));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  }

  static void ExpectBadUnit(const std::function<void(v1::Unit*)>& spoil) {
    for (const v1::Form form : {v1::FORM_STORED, v1::FORM_DECODED}) {
      ExpectBad(form, [&](Messages* m) { spoil(FindLayer(m)->mutable_begin()->mutable_unit()); });
    }
  }

  static v1::FetchResponse* FindLayer(Messages* messages) {
    for (v1::FetchResponse& message : *messages) {
      if (message.has_begin() && message.begin().unit().id() == "layers.0") return &message;
    }
    ADD_FAILURE() << "no layers.0";
    return &messages->front();
  }

  // The place of the first data message that is 100 bytes or more, after layers.0 has begun.
  static size_t FindData(Messages* messages) {
    size_t i = static_cast<size_t>(FindLayer(messages) - messages->data());
    while (!(*messages)[i].has_data() || (*messages)[i].data().data().size() < 100) ++i;
    return i;
  }

  static Messages* decoded_;
  static Messages* stored_;
  static Messages* tensor_;
};

Messages* FetchCheckerTest::decoded_ = nullptr;
Messages* FetchCheckerTest::stored_ = nullptr;
Messages* FetchCheckerTest::tensor_ = nullptr;

TEST_F(FetchCheckerTest, WrongBytesAreSeenAlsoUnderARightChecksum) {
  for (const v1::Form form : {v1::FORM_STORED, v1::FORM_DECODED}) {
    for (const bool fix_checksum : {false, true}) {
      ExpectBad(form, [&](Messages* m) {
        v1::UnitData* const data = (*m)[FindData(m)].mutable_data();
        (*data->mutable_data())[77] ^= 1;
        if (fix_checksum) FixChecksum(data);
      });
    }
  }
}

// What is not decoded has no other checksum than the message's.
TEST_F(FetchCheckerTest, WrongBytesAreSeenWhereNothingIsDecoded) {
  Messages messages = *stored_;
  v1::UnitData* const data = messages[FindData(&messages)].mutable_data();
  EXPECT_THAT(Check(messages, Request(v1::FORM_STORED), /*decode=*/false), IsOk());
  (*data->mutable_data())[77] ^= 1;
  EXPECT_EQ(Check(messages, Request(v1::FORM_STORED), /*decode=*/false).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(FetchCheckerTest, MissingTwiceAndSwappedMessagesAreSeen) {
  for (const v1::Form form : {v1::FORM_STORED, v1::FORM_DECODED}) {
    const size_t count = form == v1::FORM_STORED ? stored_->size() : decoded_->size();
    for (size_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::ptrdiff_t>(i);
      ExpectBad(form, [&](Messages* m) { m->erase(m->begin() + at); });
      ExpectBad(form, [&](Messages* m) { m->insert(m->begin() + at, (*m)[i]); });
      if (i + 1 < count) ExpectBad(form, [&](Messages* m) { std::swap((*m)[i], (*m)[i + 1]); });
      ExpectBad(form, [&](Messages* m) { m->resize(i); });
    }
  }
}

TEST_F(FetchCheckerTest, WrongMessagesAreSeen) {
  const v1::Form form = v1::FORM_DECODED;
  ExpectBad(form, [](Messages* m) { m->insert(m->begin(), v1::FetchResponse()); });
  ExpectBad(form, [](Messages* m) { m->front().mutable_begin()->set_form(v1::FORM_STORED); });
  ExpectBad(form, [](Messages* m) {
    m->back().mutable_end()->set_data_size_bytes(m->back().end().data_size_bytes() + 1);
  });
  ExpectBad(form, [](Messages* m) {
    v1::UnitData* const data = (*m)[FindData(m)].mutable_data();
    data->mutable_data()->resize((1 << 20) + 1);
    FixChecksum(data);
  });
  ExpectBad(form, [](Messages* m) {
    v1::UnitData* const data = (*m)[FindData(m)].mutable_data();
    data->set_offset_bytes(data->offset_bytes() + 256);
  });
}

TEST_F(FetchCheckerTest, MessagesMayBeCutAnywhere) {
  Messages cut;
  for (const v1::FetchResponse& message : *stored_) {
    cut.push_back(message);
    if (!message.has_data() || message.data().data().size() < 2) continue;
    v1::UnitData* const first = cut.back().mutable_data();
    v1::FetchResponse rest = message;
    rest.mutable_data()->set_data(message.data().data().substr(1));
    rest.mutable_data()->set_offset_bytes(message.data().offset_bytes() + 1);
    first->mutable_data()->resize(1);
    FixChecksum(first);
    FixChecksum(rest.mutable_data());
    cut.push_back(rest);
  }
  EXPECT_GT(cut.size(), stored_->size());
  EXPECT_THAT(Check(cut, Request(v1::FORM_STORED)), IsOk());
}

TEST_F(FetchCheckerTest, HostileUnitsAreSeen) {
  for (const std::string id : {"../../etc/passwd", "a/b", "", "..", "layers.0\n"}) {
    ExpectBadUnit([&](v1::Unit* unit) { unit->set_id(id); });
  }
  ExpectBadUnit([](v1::Unit* unit) { unit->mutable_tensors(0)->set_dtype("F9"); });
  ExpectBadUnit(
      [](v1::Unit* unit) { unit->mutable_tensors(0)->set_codec(static_cast<v1::Codec>(9)); });
  ExpectBadUnit([](v1::Unit* unit) { unit->mutable_tensors(0)->set_shape(0, uint64_t{1} << 63); });
  ExpectBadUnit([](v1::Unit* unit) { unit->mutable_tensors(0)->set_size_bytes(~uint64_t{0}); });
  ExpectBadUnit(
      [](v1::Unit* unit) { unit->mutable_tensors(0)->set_tensor_offset_bytes(~uint64_t{0}); });
  ExpectBadUnit([](v1::Unit* unit) { unit->mutable_tensors(0)->set_decoded_offset_bytes(8); });
  ExpectBadUnit(
      [](v1::Unit* unit) { unit->mutable_tensors(0)->set_decoded_offset_bytes(-uint64_t{256}); });
  ExpectBadUnit([](v1::Unit* unit) { unit->mutable_tensors(1)->set_decoded_offset_bytes(0); });
  ExpectBadUnit(
      [](v1::Unit* unit) { unit->mutable_tensors(1)->set_name(unit->tensors(0).name()); });
  ExpectBadUnit([](v1::Unit* unit) {
    for (v1::Tensor& tensor : *unit->mutable_tensors()) tensor.set_decoded_xxh3(1);
  });
}

TEST_F(FetchCheckerTest, HostileStoredUnitsAreSeen) {
  const auto bad = [](const std::function<void(v1::Unit*)>& spoil) {
    ExpectBad(v1::FORM_STORED,
              [&](Messages* m) { spoil(FindLayer(m)->mutable_begin()->mutable_unit()); });
  };
  bad([](v1::Unit* unit) { unit->set_stored_size_bytes(~uint64_t{0}); });
  bad([](v1::Unit* unit) { unit->set_tables_xxh3(1); });
  bad([](v1::Unit* unit) { unit->clear_table_sets(); });
  bad([](v1::Unit* unit) { unit->mutable_table_sets(0)->set_table_count(9); });
  bad([](v1::Unit* unit) { unit->mutable_table_sets(0)->set_table_count(0); });
  bad([](v1::Unit* unit) { unit->mutable_table_sets(0)->set_codec(v1::CODEC_RAW); });
  bad([](v1::Unit* unit) { *unit->add_table_sets() = unit->table_sets(0); });
  const auto bad_tensor = [&](const std::function<void(v1::Tensor*)>& spoil) {
    bad([&](v1::Unit* unit) {
      for (v1::Tensor& tensor : *unit->mutable_tensors()) {
        if (tensor.chunk_xxh3_size() > 1) spoil(&tensor);
      }
    });
  };
  bad_tensor([](v1::Tensor* t) { t->add_chunk_stored_size_bytes(1); });
  bad_tensor([](v1::Tensor* t) { t->add_chunk_xxh3(1); });
  bad_tensor([](v1::Tensor* t) { t->set_chunk_stored_size_bytes(0, 0); });
  bad_tensor([](v1::Tensor* t) { t->set_chunk_stored_size_bytes(0, 1 << 21); });
  bad_tensor(
      [](v1::Tensor* t) { t->set_chunk_stored_size_bytes(0, t->chunk_stored_size_bytes(0) - 1); });
  bad_tensor([](v1::Tensor* t) { t->set_chunk_xxh3(0, 1); });
  bad_tensor([](v1::Tensor* t) { t->set_codec(v1::CODEC_E5M2); });
  bad_tensor([](v1::Tensor* t) { t->set_stored_offset_bytes(0); });
  bad_tensor([](v1::Tensor* t) { t->set_stored_size_bytes(t->stored_size_bytes() + 1); });
}

TEST_F(FetchCheckerTest, WhatWasNotAskedForIsSeen) {
  EXPECT_THAT(Check(*tensor_, Request(v1::FORM_DECODED, {}, {"lm_head.weight"})), IsOk());
  EXPECT_FALSE(Check(*tensor_, Request(v1::FORM_DECODED, {}, {"other"})).ok());
  EXPECT_FALSE(Check(*tensor_, Request(v1::FORM_DECODED, {"embed"})).ok());
  EXPECT_FALSE(Check(*tensor_, Request(v1::FORM_DECODED, {}, {"lm_head.weight", "other"})).ok());
  EXPECT_FALSE(Check(*tensor_, Request(v1::FORM_DECODED)).ok());
  EXPECT_FALSE(Check({}, Request(v1::FORM_DECODED, {}, {"lm_head.weight"})).ok());
}

TEST_F(FetchCheckerTest, ATensorsPartsMustAddUp) {
  const auto request = Request(v1::FORM_DECODED, {}, {"lm_head.weight"});
  Messages messages = *tensor_;
  v1::Tensor* const tensor = messages.front().mutable_begin()->mutable_unit()->mutable_tensors(0);
  tensor->set_shape(0, 80);  // of 40: then what came is but the first half
  EXPECT_EQ(Check(messages, request).code(), absl::StatusCode::kDataLoss);
  tensor->set_tensor_offset_bytes(40'000);  // or the second
  EXPECT_EQ(Check(messages, request).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ecf8
