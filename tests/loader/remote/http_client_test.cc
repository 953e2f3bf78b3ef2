// Requests against a real server, which misbehaves on command.

#include "loader/remote/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/model_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using absl::StatusCode;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::ModelServer;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() {
    testing::WriteFile(directory_ / "file", bytes_);
    options_.retry = {.attempts = 4, .budget = 20, .first_ms = 1, .longest_ms = 4};
  }

  void StartServer(const std::vector<std::string>& options = {}) {
    server_ = std::make_unique<ModelServer>(directory_.path(), options);
  }
  std::unique_ptr<HttpClient> Client() const {
    auto client = HttpClient::Create(options_);
    EXPECT_THAT(client, IsOk());
    return *std::move(client);
  }
  HttpRequest Range(uint64_t offset, uint64_t size) {
    out_.assign(size, 0);
    HttpRequest request;
    request.url = server_->Url("file");
    request.range = HttpRange{offset, size};
    request.out = absl::MakeSpan(out_);
    return request;
  }
  // Of a range that must come, with the faults before.
  void ExpectComes(HttpClient& client, const std::vector<std::string>& faults) {
    server_->SetFaults(faults);
    const HttpEnd end = client.Run(Range(100'000, 50'000));
    EXPECT_THAT(end.status, IsOk());
    EXPECT_EQ(end.object_size_bytes, bytes_.size());
    EXPECT_EQ(std::string(out_.begin(), out_.end()), bytes_.substr(100'000, 50'000));
  }
  absl::Status Run(const std::vector<std::string>& faults) {
    server_->SetFaults(faults);
    return Client()->Run(Range(100'000, 50'000)).status;
  }

  testing::TempDir directory_;
  const std::string bytes_ = testing::NoiseBytes(3'000'000, 1);
  HttpOptions options_;
  std::unique_ptr<ModelServer> server_;
  std::vector<uint8_t> out_;
};

TEST_F(HttpClientTest, ManyRangesAtOnceOverFewConnections) {
  StartServer();
  options_.connections = 3;
  const auto client = Client();
  std::vector<uint8_t> all(bytes_.size());
  constexpr size_t kPart = 100'000;
  for (size_t at = 0; at < all.size(); at += kPart) {
    HttpRequest request;
    request.url = server_->Url("file");
    request.range = HttpRange{at, kPart};
    request.out = absl::MakeSpan(all).subspan(at, kPart);
    client->Start(std::move(request));
  }
  size_t ended = 0;
  while (client->in_flight() > 0) {
    const auto end = client->Next();
    if (!end) continue;
    EXPECT_THAT(end->status, IsOk());
    ++ended;
  }
  EXPECT_EQ(ended, all.size() / kPart);
  EXPECT_EQ(std::string(all.begin(), all.end()), bytes_);
}

TEST_F(HttpClientTest, AWholeAnswerHasALimit) {
  StartServer();
  HttpRequest request;
  request.url = server_->Url("file");
  request.max_body_bytes = bytes_.size();
  EXPECT_EQ(Client()->Run(request).body, bytes_);
  request.max_body_bytes = bytes_.size() - 1;
  EXPECT_THAT(Client()->Run(request).status,
              StatusIs(StatusCode::kDataLoss, HasSubstr("more than 2999999 bytes")));
}

TEST_F(HttpClientTest, WhatPassesIsTriedAgain) {
  StartServer();
  const auto client = Client();
  ExpectComes(*client, {"a 2 file status 503"});
  EXPECT_EQ(client->retries(), 2);
  ExpectComes(*client, {"b 3 file status 500"});
  ExpectComes(*client, {"c 1 file truncate 20000"});
  ExpectComes(*client, {"d 1 file truncate 50000"});
  ExpectComes(*client, {"e 1 file longer 3"});
  ExpectComes(*client, {"f 1 file shifted 5"});
  ExpectComes(*client, {"g 1 file headers 400"});
  EXPECT_EQ(client->retries(), 10);
}

TEST_F(HttpClientTest, AStallEnds) {
  StartServer();
  options_.stall_timeout_ms = 1000;
  ExpectComes(*Client(), {"a 1 file stall 60"});
  EXPECT_THAT(Run({"b -1 file stall 60"}), StatusIs(StatusCode::kUnavailable, _));
}

TEST_F(HttpClientTest, AServerThatAsksToWaitIsObeyed) {
  StartServer();
  const auto client = Client();
  const auto begin = std::chrono::steady_clock::now();
  ExpectComes(*client, {"a 1 file status 429,1"});
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_THAT(Run({"b -1 file status 503,1000000"}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("given up after 1 attempt")));
}

TEST_F(HttpClientTest, WhatDoesNotPassIsNamed) {
  StartServer();
  EXPECT_THAT(Run({"a -1 file status 503"}),
              StatusIs(StatusCode::kUnavailable,
                       AllOf(HasSubstr("given up after 4 attempts"), HasSubstr("HTTP 503"),
                             HasSubstr(server_->Url("file")))));
  EXPECT_THAT(Run({"b -1 file truncate 1"}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("49999 of 50000")));
  EXPECT_THAT(Run({"c -1 file shifted 1"}),
              StatusIs(StatusCode::kDataLoss, HasSubstr("bytes 100001-150000/3000000")));
  EXPECT_THAT(Run({"d -1 file longer 1"}), StatusIs(StatusCode::kDataLoss, _));
  EXPECT_THAT(Run({"f -1 file headers 400"}),
              StatusIs(StatusCode::kDataLoss, HasSubstr("too many headers")));
}

TEST_F(HttpClientTest, RefusalsAreNotTriedAgain) {
  StartServer();
  EXPECT_THAT(Run({"a -1 file status 401"}), StatusIs(StatusCode::kUnauthenticated, _));
  EXPECT_THAT(Run({"b -1 file status 403"}), StatusIs(StatusCode::kPermissionDenied, _));
  EXPECT_THAT(Run({"c -1 file status 404"}), StatusIs(StatusCode::kNotFound, _));
  EXPECT_THAT(Run({"d -1 file whole"}), StatusIs(StatusCode::kFailedPrecondition, _));
  server_->SetFaults({});
  EXPECT_THAT(Client()->Run(Range(bytes_.size(), 1)).status, StatusIs(StatusCode::kDataLoss, _));
  EXPECT_EQ(server_->Log().size(), 5u);
}

TEST_F(HttpClientTest, TheBudgetIsThatOfAllRequests) {
  StartServer();
  options_.retry.budget = 5;
  server_->SetFaults({"a -1 file status 503"});
  const auto client = Client();
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(client->Run(Range(0, 10)).status, StatusIs(StatusCode::kUnavailable, _));
  }
  EXPECT_EQ(client->retries(), 5);
  EXPECT_EQ(server_->Log().size(), 9u);
}

TEST_F(HttpClientTest, RedirectsAreFollowedWithinLimits) {
  StartServer();
  testing::WriteFile(directory_ / "other", bytes_);
  const auto client = Client();
  ExpectComes(*client, {"a 1 file redirect /other"});
  ExpectComes(*client, {"b 1 file redirect http://localhost:{port}/other"});
  EXPECT_THAT(Run({"c -1 file redirect /file"}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("in a circle")));
  EXPECT_THAT(Run({"d -1 file redirect http://192.0.2.1/file"}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("plain http")));
  EXPECT_THAT(Run({"e -1 file redirect file:///etc/passwd"}), Not(IsOk()));
}

TEST_F(HttpClientTest, SecretsStayWithTheirOrigin) {
  StartServer();
  testing::WriteFile(directory_ / "other", bytes_);
  const auto run = [this](const std::string& fault) {
    server_->SetFaults({fault});
    HttpRequest request = Range(0, 10);
    request.secret_headers = {"Authorization: Bearer sesame"};
    EXPECT_THAT(Client()->Run(request).status, IsOk());
  };
  run("a 1 file redirect /other");
  run("b 1 file redirect http://localhost:{port}/other");
  EXPECT_THAT(server_->Log(),
              ElementsAre("GET /file bytes=0-9 Bearer sesame", "GET /other bytes=0-9 Bearer sesame",
                          "GET /file bytes=0-9 Bearer sesame", "GET /other bytes=0-9 -"));
}

TEST_F(HttpClientTest, PlainHttpToOthersIsRefused) {
  HttpRequest request;
  request.url = "http://192.0.2.1/file";
  EXPECT_THAT(Client()->Run(request).status,
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("--insecure")));
}

TEST_F(HttpClientTest, WhereNobodyListensItEndsSoon) {
  StartServer();
  options_.retry.attempts = 1000;
  HttpRequest request;
  request.url = server_->Url("file");
  server_.reset();
  EXPECT_THAT(Client()->Run(request).status, StatusIs(StatusCode::kUnavailable, _));
}

TEST_F(HttpClientTest, CancelEndsEverything) {
  StartServer();
  server_->SetFaults({"a -1 file stall 20"});
  options_.stall_timeout_ms = 60'000;
  std::atomic<bool> cancel = false;
  options_.cancel = &cancel;
  const auto client = Client();
  for (int i = 0; i < 20; ++i) {
    HttpRequest request;
    request.url = server_->Url("file");
    request.max_body_bytes = bytes_.size();
    client->Start(std::move(request));
  }
  std::thread canceller([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cancel = true;
  });
  int ended = 0;
  while (client->in_flight() > 0) {
    const auto end = client->Next();
    if (!end) continue;
    EXPECT_THAT(end->status, StatusIs(StatusCode::kCancelled, _));
    ++ended;
  }
  EXPECT_EQ(ended, 20);
  canceller.join();
}

TEST_F(HttpClientTest, ARateIsKept) {
  StartServer();
  options_.connections = 2;
  options_.max_rate_bytes_per_second = 1'000'000;
  const auto client = Client();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<uint8_t> both(2'000'000);
  for (size_t i = 0; i < 2; ++i) {
    HttpRequest request;
    request.url = server_->Url("file");
    request.range = HttpRange{0, 1'000'000};
    request.out = absl::MakeSpan(both).subspan(i * 1'000'000, 1'000'000);
    client->Start(std::move(request));
  }
  while (client->in_flight() > 0) client->Next();
  // At least: a slow machine may take longer. curl lets its first buffer through.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(900));
}

TEST_F(HttpClientTest, TlsNamesItsServerOrThereIsNone) {
  const testing::TestCertificate ca = testing::MakeCa("ours");
  const testing::TestCertificate server = testing::MakeCertificate(ca, "server");
  testing::WriteFile(directory_ / "ca.pem", ca.certificate);
  testing::WriteFile(directory_ / "other.pem", testing::MakeCa("another's").certificate);
  testing::WriteFile(directory_ / "server.pem", server.certificate);
  testing::WriteFile(directory_ / "server.key", server.key);
  StartServer({"--tls", directory_ / "server.pem", directory_ / "server.key"});
  const std::string url = "https://localhost:" + std::to_string(server_->port()) + "/file";
  const auto run = [&](const std::string& ca_path) {
    options_.ca_path = ca_path;
    HttpRequest request = Range(100, 1000);
    request.url = url;
    request.secret_headers = {"Authorization: Bearer sesame"};
    return Client()->Run(request).status;
  };
  EXPECT_THAT(run(directory_ / "ca.pem"), IsOk());
  EXPECT_EQ(std::string(out_.begin(), out_.end()), bytes_.substr(100, 1000));
  EXPECT_THAT(run(directory_ / "other.pem"), StatusIs(StatusCode::kUnauthenticated, _));
  EXPECT_THAT(run(directory_ / "none.pem"), Not(IsOk()));
  EXPECT_THAT(run(""), StatusIs(StatusCode::kUnauthenticated, _));
  server_->SetFaults({"a 1 file redirect http://localhost:{port}/file"});
  EXPECT_THAT(run(directory_ / "ca.pem"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("from https to plain http")));
  EXPECT_THAT(server_->Log(), Contains(EndsWith("Bearer sesame")).Times(2));
}

}  // namespace
}  // namespace ecf8
