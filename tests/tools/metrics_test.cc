// What a scrape finds: read over HTTP, as a Prometheus reads it.

#include "tools/ecf8d/metrics/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "loader/base/clock.h"
#include "loader/base/descriptor.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

Descriptor Connect(int port) {
  Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

std::string HttpGet(int port, const std::string& path) {
  const Descriptor fd = Connect(port);
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(fd.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string response;
  char buffer[4096];
  for (ssize_t got; (got = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    response.append(buffer, static_cast<size_t>(got));
  }
  return response;
}

// Samples by name and labels, and the type of each family.
struct Scrape {
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;

  double at(const std::string& name) const {
    const auto found = samples.find(name);
    EXPECT_NE(found, samples.end()) << name;
    return found == samples.end() ? -1 : found->second;
  }
};

Scrape Parse(const std::string& response) {
  Scrape scrape;
  std::istringstream lines(response.substr(response.find("\r\n\r\n") + 4));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream fields(line.substr(7));
      std::string name, type;
      fields >> name >> type;
      scrape.types[name] = type;
    } else if (!line.starts_with("#") && line.find(' ') != std::string::npos) {
      const size_t space = line.rfind(' ');
      scrape.samples[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
    }
  }
  return scrape;
}

class MetricsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.address.socket_path = directory_ / "ecf8.sock";
    options.engine = testing::SmallEngine();
    options.engine.observers.push_back(&metrics_.engine_observer());
    options.call_observer = &metrics_.call_observer();
    testing::MakeCompressedModel(directory_.path(), "small", {});
    auto server = Server::Start({testing::OpenModel(directory_ / "small")}, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    ASSERT_THAT(metrics_.Serve("127.0.0.1:0", *server_), IsOk());
  }
  void TearDown() override { metrics_.Stop(); }

  Scrape Get() { return Parse(HttpGet(metrics_.port(), "/metrics")); }

  testing::TempDir directory_;
  Metrics metrics_;
  std::unique_ptr<Server> server_;
};

TEST_F(MetricsTest, TellsWhatAFetchHasDone) {
  auto client = WeightClient::Connect(server_->address(), std::chrono::seconds(20));
  ASSERT_THAT(client, IsOk());
  CollectingSink sink;
  ASSERT_THAT((*client)->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
  ASSERT_THAT((*client)->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
  // With a unit named: for a whole model the client asks first whether it is there.
  v1::FetchRequest unknown = Request(v1::FORM_DECODED, {"layers.0"});
  unknown.set_model("other");
  EXPECT_THAT((*client)->Fetch(unknown, false, sink),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("other")));
  // A call is counted when gRPC is done with it, a moment after its client.
  ASSERT_TRUE(Within20s([&] {
    return Get().samples[R"(ecf8_rpc_handled_total{code="NOT_FOUND",method="Fetch"})"] == 1 &&
           Get().samples[R"(ecf8_rpc_handled_total{code="OK",method="Fetch"})"] == 2;
  }));
  const Scrape scrape = Get();
  const CompressedModel& model = *server_->models().models().front()->model();
  const auto units = static_cast<double>(model.unit_count());
  uint64_t decoded_bytes = 0;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    for (const UnitPart& part : ListUnitParts(model.unit(i)))
      decoded_bytes += part.decoded_size_bytes;
  }
  EXPECT_EQ(scrape.at(R"(ecf8_stage_bytes_total{stage="decode"})"),
            static_cast<double>(decoded_bytes));
  EXPECT_EQ(scrape.at(R"(ecf8_tier_requests_total{tier="slots",result="miss"})"), units);
  EXPECT_EQ(scrape.at(R"(ecf8_tier_requests_total{tier="slots",result="hit"})"), units);
  EXPECT_EQ(scrape.at(R"(ecf8_unit_ready_seconds_count{form="decoded"})"), units);
  EXPECT_EQ(scrape.at("ecf8_memory_wait_seconds_count"), units);
  EXPECT_GT(scrape.at(R"(ecf8_stage_seconds_sum{stage="decode"})"), 0);
  EXPECT_GE(scrape.at(R"(ecf8_stage_seconds_count{stage="read"})"), units);
  EXPECT_EQ(scrape.at("ecf8_engine_requests"), 0);
  EXPECT_EQ(scrape.at("ecf8_model_info{model=\"small\",digest=\"" + model.digest() + "\"}"), 1);
  EXPECT_EQ(scrape.at("ecf8_connections_accepted_total"), 1);
  EXPECT_EQ(scrape.at(R"(ecf8_connections_refused_total{reason="limit"})"), 0);
  EXPECT_TRUE(Within20s([&] { return Get().samples["ecf8_connections"] == 1; }));
  EXPECT_GT(scrape.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(scrape.at("process_cpu_seconds_total"), 0);
  EXPECT_LT(scrape.at("process_start_time_seconds"), static_cast<double>(time(nullptr) + 2));
  EXPECT_GT(scrape.at("process_start_time_seconds"), static_cast<double>(time(nullptr) - 3600));
}

// https://prometheus.io/docs/practices/naming
TEST_F(MetricsTest, NamesFollowTheRules) {
  const Scrape scrape = Get();
  for (const auto& [name, type] : scrape.types) {
    if (name.starts_with("exposer_")) continue;  // the library's own
    EXPECT_TRUE(std::regex_match(name, std::regex("(ecf8|process)_[a-z0-9_]+"))) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name << " is a " << type;
    EXPECT_FALSE(std::regex_search(name, std::regex("_(ms|us|ns|kb|mb|mib|gib)(_|$)"))) << name;
  }
  EXPECT_GT(scrape.types.size(), 25u);
}

// Those who connect and say little hold a thread each for a second: a scrape waits for its turn,
// and Prometheus does for ten.
TEST_F(MetricsTest, SilentConnectionsDoNotKeepAScrapeForLong) {
  std::vector<Descriptor> silent;
  for (int i = 0; i < 12; ++i) {
    silent.push_back(Connect(metrics_.port()));
    const std::string_view little(i % 2 == 0 ? "GET /met" : "");
    EXPECT_EQ(write(silent.back().get(), little.data(), little.size()),
              static_cast<ssize_t>(little.size()));
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(Get().samples.empty());
  EXPECT_LT(SecondsSince(begin), 10);
}

TEST_F(MetricsTest, AnAddressInUseIsAnError) {
  Metrics other;
  const std::string address = "127.0.0.1:" + std::to_string(metrics_.port());
  EXPECT_THAT(other.Serve(address, *server_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address)));
}

}  // namespace
}  // namespace ecf8
