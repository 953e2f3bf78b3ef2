// A fixture: a server, and a session with it whose messages the test makes itself.
#ifndef ECF8_TESTS_RPC_RAW_SESSION_FIXTURE_H_
#define ECF8_TESTS_RPC_RAW_SESSION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rpc/slot_handshake.h"
#include "rpc/slot_mapping.h"
#include "tests/rpc/session_fixture.h"

namespace ecf8::testing {

class RawSessionFixture : public SessionTest {
 protected:
  void SetUp() override {
    Start();
    auto mapping = SlotMapping::Connect(SlotSocketPath(server_->address().socket_path),
                                        std::chrono::seconds(20));
    ASSERT_THAT(mapping, IsOk());
    mapping_ = *std::move(mapping);
    stub_ = server_->Stub();
    stream_ = stub_->Session(&context_);
  }
  void TearDown() override {
    if (stream_ != nullptr) context_.TryCancel();
    stream_.reset();
    SessionTest::TearDown();
  }

  v1::SessionRequest OpenRequest() const {
    v1::SessionRequest request;
    const Ticket& ticket = mapping_->ticket();
    request.mutable_open()->set_ticket(std::string(ticket.begin(), ticket.end()));
    request.mutable_open()->set_model("small");
    request.mutable_open()->set_digest(server_->model().digest());
    return request;
  }
  v1::SessionRequest AcquireRequest(uint64_t set_id, const std::vector<uint32_t>& units) const {
    v1::SessionRequest request;
    request.mutable_acquire()->set_set_id(set_id);
    request.mutable_acquire()->mutable_units()->Add(units.begin(), units.end());
    return request;
  }
  v1::SessionRequest ReleaseRequest(uint64_t set_id) const {
    v1::SessionRequest request;
    request.mutable_release()->set_set_id(set_id);
    return request;
  }

  std::unique_ptr<SlotMapping> mapping_;
  std::unique_ptr<v1::WeightService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_RAW_SESSION_FIXTURE_H_
