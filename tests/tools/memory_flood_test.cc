// Peers that have gRPC keep what is in none of its limits, from many connections at once. The
// daemon stays within its budgets, heap-limit and a bit; those whom it serves do not notice; what
// it took is given back.
//
//   ECF8_FLOOD_SECONDS=60 ECF8_FLOOD_CONNECTIONS=200 build/release/bin/memory_flood_test
//
// ECF8_FLOOD_LOG writes down what is resident, every ten milliseconds.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "decoder/status_macros.h"
#include "rpc/client.h"
#include "rpc/session_client.h"
#include "rpc/token_table.h"
#include "tests/rpc/comparing_sink.h"
#include "tests/rpc/comparing_walk.h"
#include "tests/support/http2_flood.h"
#include "tests/support/peer_stream.h"
#include "tests/support/process_stats.h"
#include "tests/support/sanitizer.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_certificates.h"
#include "tests/support/unix_client.h"
#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::FloodKind;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kAddressSanitizer;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::PeerStream;
using ::ecf8::testing::ReadProcessStats;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::Within20s;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kHeapLimit = 128 * kMiB;
// What comes while connections are being closed: on a machine of its own twice the limit.
// Without closing any, a flood takes gigabytes.
constexpr uint64_t kOvershoot = 3 * kHeapLimit;

int FromEnvironment(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

class MemoryFloodTest : public testing::DaemonTest {
 protected:
  void SetUp() override {
    if (kAddressSanitizer) GTEST_SKIP() << "its malloc does not tell what is in use";
  }

  bool HasClosedSome() const {
    return daemon_->Stderr().find("connections were closed") != std::string::npos;
  }
  uint64_t Resident() const { return ReadProcessStats(daemon_->pid()).resident_anon_bytes; }

  // Both budgets are touched in the beginning, so that what is resident above is the heap's.
  void StartDaemon(const std::string& listen, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        kDaemon,         "--listen", listen,          "--model-dir", directory_ / "small",
        "--host-budget", "32MiB",    "--slot-budget", "32MiB",       "--heap-limit",
        "128MiB"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    daemon_ = std::make_unique<Subprocess>(arguments);
    ASSERT_TRUE(IsUp(*daemon_)) << daemon_->Stderr();
    const absl::StatusOr<Address> address =
        ParseAddress((credentials_.ca_path.empty() ? "" : "tls:") + ListenAddress(*daemon_));
    ASSERT_THAT(address, IsOk());
    address_ = *address;
    client_ = Connect();
    Fetch(*client_);
    resident_before_ = Resident();
  }
  // Who has no token gets no answer but that.
  void StartTlsDaemon() {
    const auto write = [this](const std::string& name, const std::string& text) {
      testing::WriteFile(directory_ / name, text);
      return directory_ / name;
    };
    const testing::TestCertificate ca = testing::MakeCa("ours");
    const testing::TestCertificate server = testing::MakeCertificate(ca, "server");
    const absl::StatusOr<NewToken> token = MakeToken("reader", "read", "*");
    ASSERT_THAT(token, IsOk());
    credentials_ = {.ca_path = write("ca.pem", ca.certificate), .token = token->token};
    StartDaemon("localhost:0", {"--tls-cert", write("server.pem", server.certificate), "--tls-key",
                                write("server.key", server.key), "--token-file",
                                write("tokens", token->line + "\n")});
  }

  std::unique_ptr<PeerStream> ConnectFlooder() const {
    if (address_.is_unix()) {
      return Peer(testing::ConnectToUnixSocket(address_.socket_path));
    }
    Descriptor fd = testing::ConnectToLocalPort(address_.port);
    if (!fd || !address_.tls) return Peer(std::move(fd));
    return tls_clients_.Speak(std::move(fd));
  }
  static std::unique_ptr<PeerStream> Peer(Descriptor fd) {
    return fd ? std::make_unique<PeerStream>(std::move(fd)) : nullptr;
  }

  absl::StatusOr<std::unique_ptr<WeightClient>> TryConnect() const {
    return WeightClient::Connect(address_, seconds(20), {}, credentials_);
  }
  std::unique_ptr<WeightClient> Connect() const {
    auto client = TryConnect();
    EXPECT_THAT(client, IsOk());
    return client.ok() ? *std::move(client) : nullptr;
  }

  absl::Status TryFetch(WeightClient& client) {
    v1::FetchRequest request;
    request.set_model("small");
    request.set_form(v1::FORM_DECODED);
    testing::ComparingSink sink(tensors_);
    absl::Status status = client.Fetch(request, false, sink);
    ++fetches_;
    return status;
  }
  void Fetch(WeightClient& client) { EXPECT_THAT(TryFetch(client), IsOk()); }

  // In a session, until it is stopped.
  void Walk(const std::stop_token& stop) {
    const auto session = SessionClient::Open(
        *client_, address_, {.model = "small", .depth = 1, .slot_bytes = 12 * kMiB});
    ASSERT_THAT(session, IsOk());
    EXPECT_THAT(WalkThrough(**session, stop), IsOk());
  }
  absl::Status WalkThrough(SessionClient& session, const std::stop_token& stop) {
    for (uint32_t step = 0; !stop.stop_requested(); ++step) {
      const auto unit = static_cast<uint32_t>(step % session.units().size());
      ECF8_ASSIGN_OR_RETURN(LeasedSet set, session.Acquire({unit}));
      uint64_t bytes = 0;
      EXPECT_THAT(testing::CompareSet(session, set, tensors_, &bytes), IsOk());
      ECF8_RETURN_IF_ERROR(set.Release());
      ++sets_;
    }
    return absl::OkStatus();
  }

  // Floods it from two threads while others are served, and tells what was resident at most.
  uint64_t Flood(FloodKind kind) {
    const int connections = FromEnvironment("ECF8_FLOOD_CONNECTIONS", 64);
    const Clock::time_point end = Clock::now() + seconds(FromEnvironment("ECF8_FLOOD_SECONDS", 2));
    std::stop_source stop;
    std::atomic<uint64_t> sent = 0;
    std::vector<std::thread> threads;
    // Sessions are for the same machine.
    if (address_.is_unix()) threads.emplace_back([&] { Walk(stop.get_token()); });
    threads.emplace_back([&] {
      while (!stop.stop_requested() && !HasFailure()) Fetch(*client_);
    });
    EXPECT_TRUE(Within20s([&] { return (sets_ > 0 || !address_.is_unix()) && fetches_ > 1; }));
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        sent += testing::FloodUntil(stop.get_token(), kind, static_cast<size_t>(connections) / 2,
                                    [this] { return ConnectFlooder(); });
      });
    }
    const char* const path = std::getenv("ECF8_FLOOD_LOG");
    std::ofstream log(path != nullptr ? path : "/dev/null");
    uint64_t most = 0;
    // On a machine that is busy it may take longer until it has to do something.
    const auto goes_on = [&] {
      if (Clock::now() < end) return true;
      return Clock::now() < end + seconds(60) && !HasClosedSome();
    };
    while (goes_on()) {
      const uint64_t resident = Resident();
      most = std::max(most, resident);
      log << resident / kMiB << std::endl;
      std::this_thread::sleep_for(milliseconds(10));
    }
    stop.request_stop();
    for (std::thread& thread : threads) thread.join();
    std::printf("%llu MB were sent; resident %llu MiB before, %llu at most; %d fetches, %d sets\n",
                static_cast<unsigned long long>(sent / 1'000'000),
                static_cast<unsigned long long>(resident_before_ / kMiB),
                static_cast<unsigned long long>(most / kMiB), fetches_.load(), sets_.load());
    return most;
  }

  void ExpectItEndedWell(uint64_t most) {
    EXPECT_LT(most, resident_before_ + kHeapLimit + kOvershoot);
    EXPECT_TRUE(HasClosedSome()) << daemon_->Stderr();
    EXPECT_TRUE(
        testing::Within(seconds(60), [&] { return Resident() < resident_before_ + 48 * kMiB; }))
        << Resident() / kMiB << " MiB are resident";
    Fetch(*client_);
    Fetch(*Connect());
    daemon_->Signal(SIGTERM);
    EXPECT_EQ(daemon_->Wait(), 0) << daemon_->Stderr();
  }

  std::unique_ptr<Subprocess> daemon_;
  Address address_;
  ClientCredentials credentials_;
  const testing::TlsClients tls_clients_;
  std::unique_ptr<WeightClient> client_;
  uint64_t resident_before_ = 0;
  std::atomic<int> fetches_ = 0;
  std::atomic<int> sets_ = 0;
};

TEST_F(MemoryFloodTest, HeadersThatDoNotEnd) {
  StartDaemon("unix:" + socket_);
  ExpectItEndedWell(Flood(FloodKind::kHeaders));
}

TEST_F(MemoryFloodTest, CallsThatAreReset) {
  StartDaemon("unix:" + socket_);
  ExpectItEndedWell(Flood(FloodKind::kResets));
}

TEST_F(MemoryFloodTest, MessagesThatDoNotEnd) {
  StartDaemon("unix:" + socket_);
  ExpectItEndedWell(Flood(FloodKind::kMessages));
}

TEST_F(MemoryFloodTest, OverTcp) {
  StartDaemon("localhost:0", {"--insecure"});
  ExpectItEndedWell(Flood(FloodKind::kHeaders));
}

TEST_F(MemoryFloodTest, OverTlsByWhoHasNoToken) {
  StartTlsDaemon();
  ExpectItEndedWell(Flood(FloodKind::kHeaders));
}

}  // namespace
}  // namespace ecf8
