// A daemon on TCP as an operator sets it up, with certificates and tokens, and the command line as
// those use it who may, and those who may not.

#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/test_certificates.h"
#include "tests/support/test_model.h"
#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::MakeCa;
using ::ecf8::testing::MakeCertificate;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::TestCertificate;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonTlsTest : public testing::DaemonTest {
 protected:
  DaemonTlsTest() {
    testing::MakeCompressedModel(directory_.path(), "other");
    Write("ca.pem", ca_.certificate);
    Write("foreign_ca.pem", foreign_ca_.certificate);
    WritePair("server", MakeCertificate(ca_, "server"));
  }

  std::string Write(const std::string& name, const std::string& text) const {
    testing::WriteFile(directory_ / name, text);
    return directory_ / name;
  }
  // NAME.pem and NAME.key.
  void WritePair(const std::string& name, const TestCertificate& certificate) const {
    Write(name + ".pem", certificate.certificate);
    Write(name + ".key", certificate.key);
  }

  // On a port of the system's choice, with the pair "server".
  void StartTls(std::vector<std::string> more, const std::string& server = "server") {
    std::vector<std::string> flags = {kDaemon,
                                      "--listen",
                                      "localhost:0",
                                      "--model-dir",
                                      directory_ / "small",
                                      "--model-dir",
                                      directory_ / "other",
                                      "--tls-cert",
                                      directory_ / (server + ".pem"),
                                      "--tls-key",
                                      directory_ / (server + ".key")};
    flags.insert(flags.end(), more.begin(), more.end());
    daemon_ = std::make_unique<Subprocess>(flags);
    ASSERT_TRUE(IsUp(*daemon_)) << daemon_->Stderr();
    address_ = "tls:" + ListenAddress(*daemon_);
  }

  // `client`: whose certificate it shows; "": none.
  RunResult AskTls(std::vector<std::string> arguments, const std::string& token,
                   const std::string& client = "", const std::string& ca = "ca.pem") const {
    arguments.insert(arguments.begin(), kCli);
    testing::SubprocessGifts gifts{.environment = {"ECF8_DAEMON=" + address_, "ECF8_TOKEN=" + token,
                                                   "ECF8_TLS_CA=" + (directory_ / ca)}};
    if (!client.empty()) {
      gifts.environment.push_back("ECF8_TLS_CERT=" + (directory_ / (client + ".pem")));
      gifts.environment.push_back("ECF8_TLS_KEY=" + (directory_ / (client + ".key")));
    }
    Subprocess process(arguments, gifts);
    RunResult result;
    result.exit_status = process.Wait();
    result.out = process.Stdout();
    result.err = process.Stderr();
    return result;
  }

  // What `ecf8 token` makes: .token and .line.
  static nlohmann::json Token(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {kCli, "token", "--json"});
    const RunResult made = RunProgram(arguments);
    EXPECT_EQ(made.exit_status, 0) << made.err;
    return nlohmann::json::parse(made.out, nullptr, false);
  }

  // Every tensor of the model, byte for byte.
  void ExpectFetches(const RunResult& fetched, const std::string& directory) const {
    ASSERT_EQ(fetched.exit_status, 0) << fetched.err;
    std::string all;
    for (const char* unit : {"embed", "layers.0", "layers.1", "head"}) {
      all += testing::ReadFile(directory + "/" + unit + ".safetensors");
    }
    for (const auto& [name, bytes] : tensors_) {
      EXPECT_NE(all.find(bytes), std::string::npos) << name;
    }
  }

  const TestCertificate ca_ = MakeCa("ours");
  const TestCertificate foreign_ca_ = MakeCa("another's");
  std::unique_ptr<Subprocess> daemon_;
  std::string address_;
};

TEST_F(DaemonTlsTest, ACertificateOpensTheDoor) {
  WritePair("client", MakeCertificate(ca_, "client"));
  WritePair("expired", MakeCertificate(ca_, "client", /*valid_days=*/-1));
  WritePair("foreign", MakeCertificate(foreign_ca_, "client"));
  StartTls({"--tls-client-ca", directory_ / "ca.pem"});
  const std::string out = directory_ / "out";
  ExpectFetches(AskTls({"fetch", "small", "--out", out}, "", "client"), out);
  for (const char* wrong : {"", "expired", "foreign"}) {
    const RunResult refused = AskTls({"models"}, "", wrong);
    EXPECT_EQ(refused.exit_status, 1) << wrong;
    EXPECT_EQ(refused.out, "") << wrong;
  }
  const RunResult unbelieved = AskTls({"models"}, "", "client", "foreign_ca.pem");
  EXPECT_EQ(unbelieved.exit_status, 1);
  EXPECT_THAT(unbelieved.err, HasSubstr("no daemon that is believed answers at tls:localhost:"));
  EXPECT_EQ(AskTls({"models"}, "", "client").exit_status, 0) << "none of them hurt who may";
  const std::string plain = address_.substr(4);
  EXPECT_EQ(RunProgram({kCli, "models", "--daemon", plain}).exit_status, 1) << "without TLS";
}

TEST_F(DaemonTlsTest, AnExpiredDaemonIsNotBelieved) {
  WritePair("late", MakeCertificate(ca_, "server", /*valid_days=*/-1));
  const auto token = Token({"reader"});
  StartTls({"--token-file", Write("tokens", token["line"])}, "late");
  const RunResult refused = AskTls({"models"}, token["token"]);
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.err, HasSubstr("no daemon that is believed answers"));
}

TEST_F(DaemonTlsTest, ATokenOpensWhatItsLineSays) {
  const auto reader = Token({"reader", "--models", "small"});
  const auto admin = Token({"admin", "--scopes", "admin,preload,read"});
  const std::string tokens =
      reader["line"].get<std::string>() + "\n" + admin["line"].get<std::string>() + "\n";
  StartTls({"--token-file", Write("tokens", tokens)});
  const std::string reads = reader["token"], manages = admin["token"];
  const std::string out = directory_ / "out";
  ExpectFetches(AskTls({"fetch", "small", "--out", out}, reads), out);
  const RunResult seen = AskTls({"models"}, reads);
  EXPECT_THAT(seen.out, AllOf(HasSubstr("small"), Not(HasSubstr("other"))));
  EXPECT_THAT(AskTls({"fetch", "other"}, reads).err, HasSubstr("no model \"other\""));
  EXPECT_THAT(AskTls({"remove", "small"}, reads).err, HasSubstr("has not the scope admin"));
  EXPECT_THAT(AskTls({"preload", "small"}, reads).err, HasSubstr("has not the scope preload"));
  EXPECT_EQ(AskTls({"preload", "other"}, manages).exit_status, 0);
  EXPECT_EQ(AskTls({"remove", "other"}, manages).exit_status, 0);
  for (const char* wrong : {"", "nonsense"}) {
    EXPECT_THAT(AskTls({"models"}, wrong).err, HasSubstr("needs a token")) << wrong;
  }

  const auto next = Token({"next"});
  Write("tokens", next["line"]);
  daemon_->Signal(SIGHUP);
  ASSERT_TRUE(daemon_->Says("SIGHUP: the tokens were read again")) << daemon_->Stderr();
  EXPECT_EQ(AskTls({"models"}, next["token"]).exit_status, 0);
  EXPECT_THAT(AskTls({"models"}, reads).err, HasSubstr("needs a token"));
  for (const std::string& secret : {reads, manages, next["token"].get<std::string>()}) {
    EXPECT_EQ(daemon_->Stderr().find(secret), std::string::npos) << "a token is in the log";
  }
}

TEST_F(DaemonTlsTest, AModelIsPulledOverTls) {
  const auto reader = Token({"reader", "--models", "small"});
  StartTls({"--token-file", Write("tokens", reader["line"])});
  const std::string token = reader["token"], from = "ecf8://" + address_.substr(4) + "/";
  const std::string pulled = directory_ / "pulled";
  const RunResult result = AskTls({"pull", from + "small", pulled}, token);
  EXPECT_EQ(result.exit_status, 0) << result.err;
  testing::ExpectSameFiles(pulled, directory_ / "small");
  const std::string other = directory_ / "other.pulled";
  EXPECT_THAT(AskTls({"pull", from + "other", other}, token).err, HasSubstr("no model \"other\""));
  EXPECT_THAT(AskTls({"pull", from + "small", other}, "").err, HasSubstr("needs a token"));
  EXPECT_EQ(AskTls({"pull", from + "small", other}, token, "", "foreign_ca.pem").exit_status, 1);
  EXPECT_FALSE(std::filesystem::exists(other));
}

// Whatever lies where the tokens were, and however often it is read: who had one keeps it.
TEST_F(DaemonTlsTest, AStormOfReloadsTakesNobodysToken) {
  const auto reader = Token({"reader"});
  const std::string good = reader["line"], path = Write("tokens", good);
  StartTls({"--token-file", path});
  const std::string token = reader["token"];
  const auto replace = [&](const std::string& text) {
    std::filesystem::rename(Write("tokens.new", text), path);
  };
  const std::vector<std::string> bad = {"nonsense\n", std::string("\0\x7F\xFF\n", 4) + good,
                                        good.substr(0, good.size() / 2), std::string(8 << 20, 'x')};
  for (int i = 0; i < 400; ++i) {
    const size_t which = static_cast<size_t>(i) % (bad.size() + 2);
    if (which < bad.size()) replace(bad[which]);
    if (which == bad.size()) std::filesystem::remove(path);
    if (which > bad.size()) replace(good);
    daemon_->Signal(SIGHUP);
    if (i % 40 != 7) continue;
    ASSERT_EQ(AskTls({"models"}, token).exit_status, 0) << daemon_->Stderr();
  }
  replace(Token({"another"})["line"]);
  EXPECT_TRUE(testing::Within20s([&] {
    daemon_->Signal(SIGHUP);
    return AskTls({"models"}, token).exit_status == 1;
  })) << "it still reads them";
  daemon_->Signal(SIGTERM);
  EXPECT_EQ(daemon_->Wait(), 0) << daemon_->Stderr();
}

TEST_F(DaemonTlsTest, WhatTheCommandLineCannotUseItNames) {
  StartTls({"--insecure"});
  EXPECT_EQ(AskTls({"models"}, "").exit_status, 0);
  EXPECT_THAT(AskTls({"models"}, "two words").err, HasSubstr("a token has at most"));
  EXPECT_THAT(AskTls({"models"}, "", "none").err, HasSubstr("none.pem"));
  EXPECT_THAT(AskTls({"models"}, "", "", "server.key").err, HasSubstr("server.key: no cert"));
  EXPECT_THAT(AskTls({"models", "--tls-cert", directory_ / "server.pem"}, "").err,
              HasSubstr("give both, or none"));
}

TEST_F(DaemonTlsTest, ATokenIsShownOnceAndItsHashKept) {
  const RunResult made = RunProgram({kCli, "token", "ci", "--scopes", "read,preload"});
  EXPECT_EQ(made.exit_status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("\nci read,preload * "));
  const auto one = Token({"ci"}), two = Token({"ci"});
  EXPECT_NE(one["token"], two["token"]);
  EXPECT_EQ(one["line"].get<std::string>().find(one["token"].get<std::string>()),
            std::string::npos);
  EXPECT_EQ(RunProgram({kCli, "token", "ci", "--scopes", "all"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "token", "two words"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "token"}).exit_status, 2);
}

}  // namespace
}  // namespace ecf8
