// Who may call over TCP, and what: a daemon with TLS, certificates and tokens, and those who should
// not get in.

#include "rpc/access_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ecf8/v1/control.grpc.pb.h"
#include "ecf8/v1/models.grpc.pb.h"
#include "ecf8/v1/weights.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "loader/model/error_info.h"
#include "rpc/error_status.h"
#include "rpc/pem_files.h"
#include "rpc/server.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_certificates.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::MakeCa;
using ::ecf8::testing::MakeCertificate;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TestCertificate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum absl::StatusCode;

class AccessControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("server.pem", server_certificate_.certificate);
    Write("server.key", server_certificate_.key);
    Write("ca.pem", ca_.certificate);
    for (const std::string model : {"a", "b"}) {
      testing::MakeCompressedModel(directory_.path(), model, {});
      models_.push_back(testing::OpenModel(directory_ / model));
    }
  }

  std::string Write(const std::string& name, const std::string& text) {
    testing::WriteFile(directory_ / name, text);
    return directory_ / name;
  }

  ServerTls Tls(bool asks_clients) const {
    return {.certificate_path = directory_ / "server.pem",
            .key_path = directory_ / "server.key",
            .client_ca_path = asks_clients ? directory_ / "ca.pem" : ""};
  }

  void Start(const ServerTls& tls, const std::string& token_path = "") {
    ServerOptions options;
    options.address.host = "localhost";
    options.engine = testing::SmallEngine();
    options.engine.host_budget_bytes = host_bytes_;
    options.tls = tls;
    options.token_path = token_path;
    auto server = Server::Start(models_, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  // A client that believes the server if `ca` has signed its certificate, and shows `client`, if
  // any, and `token`, if any.
  std::shared_ptr<grpc::Channel> Connect(const TestCertificate& ca,
                                         const TestCertificate& client = {},
                                         const std::string& token = "") const {
    std::shared_ptr<grpc::ChannelCredentials> credentials =
        grpc::SslCredentials({.pem_root_certs = ca.certificate,
                              .pem_private_key = client.key,
                              .pem_cert_chain = client.certificate});
    if (!token.empty()) {
      credentials =
          grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
    }
    return grpc::CreateChannel("localhost:" + std::to_string(server_->address().port), credentials);
  }

  // The models that the client is told of.
  absl::StatusOr<std::vector<std::string>> List(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::ListModelsResponse response;
    const absl::Status status =
        FromGrpcStatus(v1::WeightService::NewStub(channel)->ListModels(&context, {}, &response));
    if (!status.ok()) return status;
    std::vector<std::string> names;
    for (const v1::Model& model : response.models()) names.push_back(model.name());
    return names;
  }

  absl::Status Fetch(const std::shared_ptr<grpc::Channel>& channel, const std::string& model) {
    grpc::ClientContext context;
    v1::FetchRequest request;
    request.set_model(model);
    request.set_form(v1::FORM_STORED);
    const auto reader = v1::WeightService::NewStub(channel)->Fetch(&context, request);
    v1::FetchResponse response;
    while (reader->Read(&response)) {
    }
    return FromGrpcStatus(reader->Finish());
  }

  absl::Status Remove(const std::shared_ptr<grpc::Channel>& channel, const std::string& model) {
    grpc::ClientContext context;
    v1::RemoveModelRequest request;
    request.set_name(model);
    v1::RemoveModelResponse response;
    return FromGrpcStatus(
        v1::ModelService::NewStub(channel)->RemoveModel(&context, request, &response));
  }

  absl::Status Preload(const std::shared_ptr<grpc::Channel>& channel, const std::string& model,
                       bool pin) {
    grpc::ClientContext context;
    v1::PreloadRequest request;
    request.mutable_units()->set_model(model);
    request.mutable_units()->set_tier(v1::MEMORY_TIER_HOST);
    request.set_pin(pin);
    const auto reader = v1::ControlService::NewStub(channel)->Preload(&context, request);
    v1::PreloadProgress progress;
    while (reader->Read(&progress)) {
    }
    return FromGrpcStatus(reader->Finish());
  }

  absl::Status Pin(const std::shared_ptr<grpc::Channel>& channel, const std::string& model) {
    grpc::ClientContext context;
    v1::PinRequest request;
    request.mutable_units()->set_model(model);
    request.mutable_units()->set_tier(v1::MEMORY_TIER_HOST);
    v1::PinResponse response;
    return FromGrpcStatus(v1::ControlService::NewStub(channel)->Pin(&context, request, &response));
  }

  testing::TempDir directory_;
  const TestCertificate ca_ = MakeCa("ours");
  const TestCertificate foreign_ca_ = MakeCa("another's");
  const TestCertificate server_certificate_ = MakeCertificate(ca_, "server");
  uint64_t host_bytes_ = 64 << 20;
  OpenedModels models_;
  std::unique_ptr<Server> server_;
};

TEST_F(AccessControlTest, ACertificateOfOursOpensTheDoorAndNoOther) {
  Start(Tls(/*asks_clients=*/true));
  const auto friendly = Connect(ca_, MakeCertificate(ca_, "client"));
  EXPECT_THAT(*List(friendly), ElementsAre("a", "b"));
  EXPECT_THAT(Fetch(friendly, "a"), IsOk());
  EXPECT_THAT(List(Connect(ca_)), StatusIs(kUnavailable, HasSubstr("")));
  EXPECT_THAT(List(Connect(ca_, MakeCertificate(ca_, "late", /*valid_days=*/-1))),
              StatusIs(kUnavailable, HasSubstr("")));
  EXPECT_THAT(List(Connect(ca_, MakeCertificate(foreign_ca_, "foreign"))),
              StatusIs(kUnavailable, HasSubstr("")));
  EXPECT_THAT(List(Connect(foreign_ca_, MakeCertificate(ca_, "client"))),
              StatusIs(kUnavailable, HasSubstr("")))
      << "a client that does not believe the server";
  EXPECT_THAT(List(grpc::CreateChannel("localhost:" + std::to_string(server_->address().port),
                                       grpc::InsecureChannelCredentials())),
              StatusIs(kUnavailable, HasSubstr("")));
  EXPECT_THAT(*List(friendly), ElementsAre("a", "b")) << "none of them hurt who was in";
}

TEST_F(AccessControlTest, ATokenOpensWhatItsLineSays) {
  const NewToken reader = *MakeToken("reader", "read", "a");
  const NewToken admin = *MakeToken("admin", "admin", "b");
  Start(Tls(/*asks_clients=*/false), Write("tokens", reader.line + "\n" + admin.line + "\n"));
  const auto reads = Connect(ca_, {}, reader.token);
  const auto manages = Connect(ca_, {}, admin.token);
  EXPECT_THAT(*List(reads), ElementsAre("a"));
  EXPECT_THAT(Fetch(reads, "a"), IsOk());
  EXPECT_THAT(Fetch(reads, "b"), StatusIs(kNotFound, HasSubstr("no model \"b\"")));
  EXPECT_THAT(Remove(reads, "a"), StatusIs(kPermissionDenied, HasSubstr("admin")));
  EXPECT_THAT(Remove(manages, "a"), StatusIs(kNotFound, HasSubstr("\"a\"")));
  EXPECT_THAT(List(manages), StatusIs(kPermissionDenied, HasSubstr("read")));
  EXPECT_THAT(Remove(manages, "b"), IsOk());
  for (const std::string wrong : {"", "nonsense"}) {
    const auto stranger = Connect(ca_, {}, wrong);
    EXPECT_THAT(List(stranger), StatusIs(kUnauthenticated, HasSubstr("token")));
    EXPECT_THAT(Fetch(stranger, "a"), StatusIs(kUnauthenticated, HasSubstr("token")));
    EXPECT_THAT(Remove(stranger, "a"), StatusIs(kUnauthenticated, HasSubstr("token")));
  }
}

TEST_F(AccessControlTest, WhatIsInMemoryIsForThoseWhoMay) {
  const NewToken loader = *MakeToken("loader", "preload,read", "a");
  const NewToken admin = *MakeToken("admin", "admin", "*");
  host_bytes_ = 12 << 20;  // one model of 6 MiB, and some of the other
  Start(Tls(/*asks_clients=*/false), Write("tokens", loader.line + "\n" + admin.line + "\n"));
  const auto loads = Connect(ca_, {}, loader.token);
  const auto manages = Connect(ca_, {}, admin.token);
  EXPECT_THAT(Preload(loads, "a", false), IsOk());
  EXPECT_THAT(Preload(loads, "b", false), StatusIs(kNotFound, HasSubstr("\"b\"")));
  EXPECT_THAT(Preload(loads, "a", true), StatusIs(kPermissionDenied, HasSubstr("admin")));
  EXPECT_THAT(Pin(loads, "a"), StatusIs(kPermissionDenied, HasSubstr("admin")));
  EXPECT_THAT(Preload(manages, "a", false), StatusIs(kPermissionDenied, HasSubstr("preload")));
  EXPECT_THAT(Preload(Connect(ca_), "a", false), StatusIs(kUnauthenticated, HasSubstr("token")));
  EXPECT_THAT(Pin(Connect(ca_), "a"), StatusIs(kUnauthenticated, HasSubstr("token")));
  // Who may not see model b is not told that it is there.
  EXPECT_THAT(Pin(manages, "b"), IsOk());
  const absl::Status refused = Pin(manages, "a");
  EXPECT_THAT(refused, StatusIs(kResourceExhausted, HasSubstr("pins of model \"b\"")));
  const absl::Status hidden = Preload(loads, "a", false);
  ASSERT_THAT(hidden, StatusIs(kResourceExhausted, HasSubstr("what others have")));
  EXPECT_THAT(std::string(hidden.message()), ::testing::Not(HasSubstr("\"b\"")));
  EXPECT_EQ(GetErrorInfo(hidden)->holder, "others");
  EXPECT_GT(GetErrorInfo(hidden)->shortfall_bytes, 0u);
  grpc::ClientContext context;
  v1::GetStatusResponse status;
  ASSERT_THAT(FromGrpcStatus(v1::WeightService::NewStub(loads)->GetStatus(&context, {}, &status)),
              IsOk());
  EXPECT_EQ(status.host().pinned_size(), 0);
}

TEST_F(AccessControlTest, TokensAreReadAgainAndOldOnesStayWhereTheNewAreNotGood) {
  const NewToken old_token = *MakeToken("old", "read", "*");
  const NewToken new_token = *MakeToken("new", "read", "*");
  const std::string path = Write("tokens", old_token.line);
  Start(Tls(/*asks_clients=*/false), path);
  const auto with_old = Connect(ca_, {}, old_token.token);
  const auto with_new = Connect(ca_, {}, new_token.token);
  EXPECT_THAT(List(with_old), IsOk());
  EXPECT_THAT(List(with_new), StatusIs(kUnauthenticated, HasSubstr("token")));
  Write("tokens", "nonsense");
  EXPECT_THAT(server_->ReloadTokens(), StatusIs(kInvalidArgument, HasSubstr("line 1")));
  EXPECT_THAT(List(with_old), IsOk());
  Write("tokens", new_token.line);
  EXPECT_THAT(server_->ReloadTokens(), IsOk());
  EXPECT_THAT(List(with_old), StatusIs(kUnauthenticated, HasSubstr("token")));
  EXPECT_THAT(List(with_new), IsOk());
}

// Half of a change, an empty file, none: whoever comes finds what was good before.
TEST_F(AccessControlTest, CertificatesAreReadAgainAndOldOnesStayWhereTheNewAreNotGood) {
  ServerTls tls = Tls(/*asks_clients=*/true);
  tls.refresh_interval = {};
  Start(tls);
  const TestCertificate client = MakeCertificate(ca_, "client");
  const TestCertificate next = MakeCertificate(foreign_ca_, "next");
  EXPECT_THAT(List(Connect(ca_, client)), IsOk());
  for (const std::string& bad : {std::string(), std::string("nonsense"), next.key, next.certificate,
                                 std::string(kMaxPemBytes + 1, '\n')}) {
    for (const std::string name : {"server.pem", "server.key", "ca.pem"}) {
      const std::string good = testing::ReadFile(directory_ / name);
      if (name == "ca.pem" && bad == next.certificate) continue;  // that would be one
      Write(name, bad);
      EXPECT_THAT(List(Connect(ca_, client)), IsOk()) << name << ": " << bad.substr(0, 30);
      std::filesystem::remove(directory_ / name);
      EXPECT_THAT(List(Connect(ca_, client)), IsOk()) << "without " << name;
      Write(name, good);
    }
  }
  Write("server.key", next.key);
  EXPECT_THAT(List(Connect(ca_, client)), IsOk()) << "not yet";
  Write("server.pem", next.certificate);
  EXPECT_THAT(List(Connect(foreign_ca_, client)), IsOk());
  EXPECT_THAT(List(Connect(ca_, client)), StatusIs(kUnavailable, HasSubstr("")));
  Write("ca.pem", foreign_ca_.certificate);
  EXPECT_THAT(List(Connect(foreign_ca_, client)), StatusIs(kUnavailable, HasSubstr("")));
  EXPECT_THAT(List(Connect(foreign_ca_, MakeCertificate(foreign_ca_, "client"))), IsOk());
}

TEST_F(AccessControlTest, FilesThatCannotServeAreErrorsAtTheStart) {
  const auto error = [&](const ServerTls& tls) { return MakeServerCredentials(tls).status(); };
  ServerTls tls = Tls(/*asks_clients=*/true);
  tls.certificate_path = directory_ / "none";
  EXPECT_THAT(error(tls), StatusIs(kNotFound, HasSubstr("none")));
  tls = Tls(true);
  tls.certificate_path = directory_ / "server.key";
  EXPECT_THAT(error(tls), StatusIs(kInvalidArgument, HasSubstr("server.key: no certificate")));
  tls = Tls(true);
  tls.key_path = Write("other.key", MakeCertificate(ca_, "other").key);
  EXPECT_THAT(error(tls), StatusIs(kInvalidArgument, HasSubstr("is not the key of")));
  tls.key_path = directory_ / "server.pem";
  EXPECT_THAT(error(tls), StatusIs(kInvalidArgument, HasSubstr("no private key")));
  tls = Tls(true);
  tls.client_ca_path = Write("empty", "");
  EXPECT_THAT(error(tls), StatusIs(kInvalidArgument, HasSubstr("empty: no certificate")));
}

}  // namespace
}  // namespace ecf8
