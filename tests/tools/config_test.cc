#include "tools/ecf8d/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tools/ecf8d/flags.h"
#include "tools/ecf8d/server_options.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  absl::Status Read(const std::string& text) {
    testing::WriteFile(path_, text);
    return ReadConfigFile(path_, &config_);
  }

  std::optional<int> Parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ecf8d");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    flags_ = ParsedFlags();
    return ParseFlags(static_cast<int>(argv.size()), argv.data(), &flags_);
  }

  testing::TempDir directory_;
  const std::string path_ = directory_ / "ecf8d.toml";
  DaemonConfig config_;
  ParsedFlags flags_;
};

TEST_F(ConfigTest, ReadsEverySetting) {
  ASSERT_THAT(Read("model-dir = ['/a', '/b']\n"
                   "model-root = ['/r', '/q']\n"
                   "watch-models = true\n"
                   "max-models = 9\n"
                   "listen = 'unix:/s'\n"
                   "insecure = true\n"
                   "socket-group = '7'\n"
                   "socket-user = ['8', '9']\n"
                   "max-connections = 11\n"
                   "max-peer-connections = 12\n"
                   "max-connection-streams = 13\n"
                   "handshake-timeout-ms = 14\n"
                   "idle-timeout-ms = 15\n"
                   "max-request-size = '2MiB'\n"
                   "heap-limit = '1234 MiB'\n"
                   "log-burst = 16\n"
                   "log-level = 'debug'\n"
                   "log-format = 'json'\n"
                   "threads = 3\n"
                   "host-budget = '3GiB'\n"
                   "device = 'auto'\n"
                   "device-budget = '5 GiB'\n"
                   "slot-budget = '1000 MB'\n"
                   "decode-threads = 2\n"
                   "decode-cores = '1,4-6'\n"
                   "reader = 'threads'\n"
                   "queue-depth = 7\n"
                   "lock-memory = true\n"
                   "keep-memory = 'never'\n"
                   "max-streams = 5\n"
                   "max-sessions = 6\n"
                   "session-max-units = 7\n"
                   "session-max-sets = 8\n"
                   "session-slot-quota = '3GiB'\n"
                   "preload-rate = '500MiB'\n"
                   "session-uid = 1000\n"
                   "drain-timeout-ms = 0\n"
                   "tls-cert = '/c.pem'\n"
                   "tls-key = '/k.pem'\n"
                   "tls-client-ca = '/a.pem'\n"
                   "token-file = '/t'\n"
                   "metrics-listen = '127.0.0.1:9464'\n"
                   "heat-dir = '/h'\n"
                   "trace = '/t.json'\n"
                   "trace-limit = '1MiB'\n"),
              IsOk());
  EXPECT_THAT(config_.model_dirs, ElementsAre("/a", "/b"));
  EXPECT_THAT(config_.model_roots, ElementsAre("/r", "/q"));
  EXPECT_TRUE(config_.watch_models);
  EXPECT_EQ(config_.max_models, 9);
  EXPECT_EQ(config_.listen, "unix:/s");
  EXPECT_TRUE(config_.insecure);
  EXPECT_EQ(config_.log_level, "debug");
  EXPECT_EQ(config_.log_format, "json");
  EXPECT_EQ(config_.threads, 3);
  EXPECT_EQ(config_.max_streams, 5);
  EXPECT_EQ(config_.max_sessions, 6);
  EXPECT_EQ(config_.session_max_units, 7);
  EXPECT_EQ(config_.session_max_sets, 8);
  EXPECT_EQ(config_.session_slot_quota, "3GiB");
  EXPECT_EQ(config_.preload_rate, "500MiB");
  EXPECT_EQ(config_.session_uid, 1000);
  EXPECT_EQ(config_.drain_timeout_ms, 0);
  EXPECT_EQ(config_.tls_cert, "/c.pem");
  EXPECT_EQ(config_.tls_key, "/k.pem");
  EXPECT_EQ(config_.tls_client_ca, "/a.pem");
  EXPECT_EQ(config_.token_file, "/t");
  EXPECT_EQ(config_.metrics_listen, "127.0.0.1:9464");
  EXPECT_EQ(config_.keep_memory, "never");
  EXPECT_EQ(config_.heat_dir, "/h");
  EXPECT_EQ(config_.trace, "/t.json");
  EXPECT_EQ(config_.trace_limit, "1MiB");
  EXPECT_EQ(config_.socket_group, "7");
  EXPECT_THAT(config_.socket_users, ElementsAre("8", "9"));
  EXPECT_EQ(config_.max_connections, 11);
  EXPECT_EQ(config_.max_peer_connections, 12);
  EXPECT_EQ(config_.max_connection_streams, 13);
  EXPECT_EQ(config_.handshake_timeout_ms, 14);
  EXPECT_EQ(config_.idle_timeout_ms, 15);
  EXPECT_EQ(config_.max_request_size, "2MiB");
  EXPECT_EQ(config_.heap_limit, "1234 MiB");
  EXPECT_EQ(config_.log_burst, 16);
  EXPECT_EQ(AllSettings().size(), 45u);  // all of which stand above

  const EngineOptions engine = EngineOptionsFrom(config_);
  EXPECT_EQ(engine.host_budget_bytes, uint64_t{3} << 30);
  EXPECT_EQ(engine.device, "auto");
  EXPECT_EQ(engine.device_budget_bytes, uint64_t{5} << 30);
  EXPECT_EQ(engine.slot_budget_bytes, 1'000'000'000u);
  EXPECT_EQ(engine.decode_threads, 2);
  EXPECT_THAT(engine.decode_cores, ElementsAre(1, 4, 5, 6));
  EXPECT_EQ(engine.reader.backend, BlockReaderBackend::kThreads);
  EXPECT_EQ(engine.reader.queue_depth, 7u);
  EXPECT_TRUE(engine.lock_memory);
}

TEST_F(ConfigTest, NamesFileLineAndKeyOfAnError) {
  const auto bad = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Read("threads = 1\n\nmax_streams = 3\n"),
              StatusIs(bad, HasSubstr(path_ + ":3: unknown key \"max_streams\"")));
  EXPECT_THAT(Read("[threads]\nx = 1\n"),
              StatusIs(bad, HasSubstr(":1: threads wants a whole number")));
  EXPECT_THAT(Read("\nthreads = '1'\n"),
              StatusIs(bad, HasSubstr(":2: threads wants a whole number")));
  EXPECT_THAT(Read("threads = 1.5\n"), StatusIs(bad, HasSubstr("whole number")));
  EXPECT_THAT(Read("threads = -1\n"), StatusIs(bad, HasSubstr(":1: threads: -1 is not from 0 to")));
  EXPECT_THAT(Read("insecure = 1\n"), StatusIs(bad, HasSubstr("true or false")));
  EXPECT_THAT(Read("log-level = 'loud'\n"), StatusIs(bad, HasSubstr("\"loud\" is none of trace")));
  EXPECT_THAT(Read("slot-budget = '1.5GiB'\n"), StatusIs(bad, HasSubstr("no size such as 4GiB")));
  EXPECT_THAT(Read("model-dir = ['a', 1]\n"), StatusIs(bad, HasSubstr("array of strings")));
  EXPECT_THAT(Read("threads = 1\nthreads = 2\n"), StatusIs(bad, HasSubstr(path_ + ":2: ")));
  EXPECT_THAT(Read("threads = = 1"), StatusIs(bad, HasSubstr(path_ + ":1: ")));
  EXPECT_THAT(Read(std::string(2 << 20, '#')), StatusIs(bad, HasSubstr("larger")));
  EXPECT_THAT(Read("a = " + std::string(100'000, '[')), StatusIs(bad, HasSubstr(path_)));
  EXPECT_THAT(ReadConfigFile(directory_ / "none", &config_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST_F(ConfigTest, FlagsWinOverTheFile) {
  testing::WriteFile(path_, "model-dir = 'from-file'\nthreads = 3\nmax-streams = 9\n");
  ASSERT_EQ(Parse({"--config", path_, "--threads", "4", "--model-dir", "x", "--model-dir", "y"}),
            std::nullopt);
  EXPECT_THAT(flags_.config.model_dirs, ElementsAre("x", "y"));
  EXPECT_EQ(flags_.config.threads, 4);
  EXPECT_EQ(flags_.config.max_streams, 9);
  EXPECT_EQ(flags_.config.drain_timeout_ms, 30'000);
  ASSERT_EQ(Parse({"--config", path_}), std::nullopt);
  EXPECT_THAT(flags_.config.model_dirs, ElementsAre("from-file"));
}

TEST_F(ConfigTest, WrongUsageIsTwoAndABadFileIsOne) {
  EXPECT_EQ(Parse({}), 2);  // no model
  EXPECT_EQ(Parse({"--model-root", "r"}), std::nullopt);
  EXPECT_EQ(Parse({"--model-dir", "m", "--watch-models"}), 2);  // and nothing to watch
  EXPECT_EQ(Parse({"--model-dir", "m", "--what"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "extra"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--threads", "x"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--threads", "-1"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--log-level", "loud"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--listen", "nonsense"}), 2);
  testing::WriteFile(path_, "nonsense");
  EXPECT_EQ(Parse({"--model-dir", "m", "--config", path_}), 1);
  EXPECT_EQ(Parse({"--version"}), 0);
  EXPECT_EQ(Parse({"--help"}), 0);
}

TEST_F(ConfigTest, TcpNeedsTlsAndToKnowWhoCalls) {
  const std::vector<std::string> tcp = {"--model-dir", "m", "--listen", "127.0.0.1:50051"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = tcp;
    all.insert(all.end(), more.begin(), more.end());
    return Parse(all);
  };
  EXPECT_EQ(with({"--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"}), std::nullopt);
  EXPECT_EQ(with({"--tls-cert", "c", "--tls-key", "k", "--token-file", "t"}), std::nullopt);
  EXPECT_EQ(with({"--token-file", "t", "--insecure"}), std::nullopt);
  EXPECT_EQ(with({"--tls-cert", "c", "--tls-key", "k"}), 2);
  EXPECT_EQ(with({"--tls-cert", "c", "--token-file", "t"}), 2);
  EXPECT_EQ(with({"--tls-key", "k", "--insecure"}), 2);
  EXPECT_EQ(with({"--token-file", "t"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--listen", "tls:127.0.0.1:50051", "--insecure"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--token-file", "t"}), 2) << "not of a Unix socket";
  EXPECT_EQ(Parse({"--model-dir", "m", "--listen", "127.0.0.1:50051"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--listen", "127.0.0.1:50051", "--insecure"}), std::nullopt);
  EXPECT_EQ(Parse({"--model-dir", "m", "--listen", "unix:/x"}), std::nullopt);
}

TEST_F(ConfigTest, WhoMayOpenTheSocketIsKnownToTheSystem) {
  EXPECT_EQ(Parse({"--model-dir", "m", "--socket-group", "root", "--socket-user", "root",
                   "--socket-user", "4711"}),
            std::nullopt);
  EXPECT_EQ(Parse({"--model-dir", "m", "--socket-group", "no such group"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--socket-user", "no such user"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--socket-user", "4294967295"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--socket-group", "root", "--listen", "127.0.0.1:1",
                   "--insecure"}),
            2);
}

TEST_F(ConfigTest, LimitsBecomeTheServers) {
  ASSERT_EQ(Parse({"--model-dir",
                   "m",
                   "--socket-group",
                   "0",
                   "--socket-user",
                   "4711",
                   "--max-connections",
                   "50",
                   "--max-peer-connections",
                   "9",
                   "--max-connection-streams",
                   "8",
                   "--handshake-timeout-ms",
                   "7",
                   "--idle-timeout-ms",
                   "6",
                   "--max-request-size",
                   "128KiB",
                   "--heap-limit",
                   "800MiB"}),
            std::nullopt);
  const auto options = ServerOptionsFrom(flags_.config, 1000);
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->socket_group, 0u);
  EXPECT_THAT(options->socket_users, ElementsAre(4711));
  EXPECT_EQ(options->limits.connections.max_connections, 50u);
  EXPECT_EQ(options->limits.connections.max_peer_connections, 9u);
  EXPECT_EQ(options->limits.connection_streams, 8);
  EXPECT_EQ(options->limits.handshake_timeout.count(), 7);
  EXPECT_EQ(options->limits.idle_timeout.count(), 6);
  EXPECT_EQ(options->limits.max_request_bytes, 128 << 10);
  EXPECT_EQ(options->limits.heap_bytes, 800u << 20);
  EXPECT_EQ(options->limits.transport_bytes, uint64_t{3200} << 20);
  EXPECT_EQ(ServerOptionsFrom(flags_.config, 60)->limits.connections.max_connections, 30u);
  EXPECT_EQ(Parse({"--model-dir", "m", "--max-request-size", "65MiB"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--max-request-size", "1KiB"}), 2);
  EXPECT_EQ(Parse({"--model-dir", "m", "--heap-limit", "63MiB"}), 2);
}

TEST_F(ConfigTest, MetricsStayOnThisMachine) {
  for (const std::string address : {"127.0.0.1:9464", "[::1]:9464", "localhost:9464"}) {
    EXPECT_EQ(Parse({"--model-dir", "m", "--metrics-listen", address}), std::nullopt) << address;
  }
  for (const std::string address : {"0.0.0.0:9464", "[::]:9464", "unix:/x", "9464"}) {
    EXPECT_EQ(Parse({"--model-dir", "m", "--metrics-listen", address}), 2) << address;
  }
  EXPECT_EQ(Parse({"--model-dir", "m", "--metrics-listen", "0.0.0.0:9464", "--insecure"}),
            std::nullopt);
}

}  // namespace
}  // namespace ecf8
