// Client over TLS: with a certificate, with a token, and without what it takes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>

#include "ecf8/client.h"
#include "rpc/token_table.h"
#include "tests/rpc/public/library_fixture.h"
#include "tests/support/test_certificates.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::LibraryTest;
using ::ecf8::testing::MakeCa;
using ::ecf8::testing::MakeCertificate;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TestCertificate;
using ::testing::HasSubstr;

constexpr char kProjection[] = "model.layers.1.self_attn.q_proj.weight";

class SecureClientTest : public LibraryTest {
 protected:
  SecureClientTest() {
    Write("ca.pem", ca_.certificate);
    const TestCertificate server = MakeCertificate(ca_, "server");
    Write("server.pem", server.certificate);
    Write("server.key", server.key);
    const TestCertificate client = MakeCertificate(ca_, "client");
    Write("client.pem", client.certificate);
    Write("client.key", client.key);
  }

  std::string Write(const std::string& name, const std::string& text) const {
    testing::WriteFile(directory_ / name, text);
    return directory_ / name;
  }

  void StartTls(const std::string& client_ca, const std::string& token_path) {
    ServerOptions options;
    options.address.host = "localhost";
    options.engine = testing::SmallEngine();
    options.tls = {.certificate_path = directory_ / "server.pem",
                   .key_path = directory_ / "server.key",
                   .client_ca_path = client_ca};
    options.token_path = token_path;
    auto server = Server::Start({testing::OpenModel(*models_ / "small")}, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    address_ = "tls:" + server_->address().ToString();
  }

  const TestCertificate ca_ = MakeCa("ours");
  std::string address_;
};

TEST_F(SecureClientTest, ShowsItsCertificate) {
  StartTls(directory_ / "ca.pem", "");
  ClientOptions options;
  options.tls_ca = directory_ / "ca.pem";
  options.tls_cert = directory_ / "client.pem";
  options.tls_key = directory_ / "client.key";
  const auto client = Client::Connect(address_, options);
  ASSERT_THAT(client, IsOk());
  const auto tensor = client->FetchTensor("small", kProjection);
  ASSERT_THAT(tensor, IsOk());
  EXPECT_EQ(Text(tensor->buffer.bytes()), Tensor(kProjection));
  EXPECT_THAT(client->OpenSession({.model = "small"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));

  options.tls_ca.clear();
  EXPECT_THAT(Client::Connect(address_, options),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no daemon that is believed")))
      << "the system does not know the CA";
  options.tls_key = directory_ / "server.key";
  EXPECT_THAT(Client::Connect(address_, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not the key of")));
}

TEST_F(SecureClientTest, ShowsItsToken) {
  const NewToken reader = *MakeToken("reader", "read", "small");
  StartTls("", Write("tokens", reader.line));
  ClientOptions options;
  options.tls_ca = directory_ / "ca.pem";
  options.token = reader.token;
  const auto client = Client::Connect(address_, options);
  ASSERT_THAT(client, IsOk());
  const auto tensor = client->FetchTensor("small", kProjection);
  ASSERT_THAT(tensor, IsOk());
  EXPECT_EQ(Text(tensor->buffer.bytes()), Tensor(kProjection));

  options.token = "another";
  EXPECT_THAT(Client::Connect(address_, options)->Models(),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("token")));
  options.token = reader.token + "\n";
  EXPECT_THAT(Client::Connect(address_, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a line's end")));
}

TEST_F(SecureClientTest, TakesFromTheEnvironmentWhatItIsNotTold) {
  const NewToken reader = *MakeToken("reader", "read", "small");
  StartTls("", Write("tokens", reader.line));
  ASSERT_EQ(setenv("ECF8_TLS_CA", (directory_ / "ca.pem").c_str(), 1), 0);
  ASSERT_EQ(setenv("ECF8_TOKEN", reader.token.c_str(), 1), 0);
  const auto client = Client::Connect(address_);
  ClientOptions options;
  options.token = "another";
  const auto other = Client::Connect(address_, options);
  ASSERT_EQ(unsetenv("ECF8_TLS_CA"), 0);
  ASSERT_EQ(unsetenv("ECF8_TOKEN"), 0);
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT(client->Models(), IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT(other->Models(), StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("token")));
}

}  // namespace
}  // namespace ecf8
