// A disk that fails, seen by the daemon's clients: what a fault costs, and whom.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/rpc/test_server.h"
#include "tests/support/settled_engine.h"
#include "tests/support/shard_faults.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::ShardFaults;
using ::ecf8::testing::SmallModelOptions;
using ::ecf8::testing::TestServer;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;
using ::testing::Not;

// Six layers of 2.5 MB in shards of two, embedding and head beside them.
constexpr SmallModelOptions kSharded{
    .layers = 6, .projection_rows = 2500, .shard_size_bytes = 6'000'000};

class DiskFaultsTest : public ::testing::Test {
 protected:
  EngineOptions Engine() {
    EngineOptions options = testing::SmallEngine();
    options.reader.backend = BlockReaderBackend::kThreads;
    options.reader.calls = &faults_;
    return options;
  }

  // A fetch of one unit on a connection of its own. What comes is checked.
  static absl::Status Fetch(const TestServer& server, const std::string& unit, v1::Form form) {
    const auto client = server.Connect();
    if (client == nullptr) return absl::UnavailableError("no connection");
    CollectingSink sink;
    const absl::Status status = client->Fetch(Request(form, {unit}), /*verify=*/true, sink);
    if (!status.ok() || form == v1::FORM_STORED) return status;
    for (const auto& [name, bytes] : sink.tensors) {
      if (server.tensors().at(name) != bytes) return absl::InternalError("wrong bytes: " + name);
    }
    return absl::OkStatus();
  }

  static const std::string& ShardOf(const TestServer& server, uint32_t unit) {
    return server.model().shard_of(unit).file_name;
  }

  // The fetch of `unit` failed, and says of the disk what a client may know.
  static void ExpectReadFailed(const TestServer& server, uint32_t unit,
                               const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    const auto info = GetErrorInfo(status);
    ASSERT_TRUE(info.has_value()) << status;
    const Unit& failed = server.model().unit(unit);
    EXPECT_EQ(info->reason, ErrorReason::kReadFailed);
    EXPECT_EQ(info->model, "small");
    EXPECT_EQ(info->unit, failed.id);
    EXPECT_EQ(info->shard, ShardOf(server, unit));
    EXPECT_GE(info->offset_bytes, failed.offset_bytes);
    EXPECT_LT(info->offset_bytes, failed.offset_bytes + failed.stored_size_bytes);
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr(info->shard));
    EXPECT_THAT(message, HasSubstr(std::to_string(info->offset_bytes)));
    EXPECT_THAT(message, Not(HasSubstr("/")));
  }

  ShardFaults faults_;
};

// Four clients ask for every unit in both forms while one shard fails: of the bad one all get an
// error, of the others none does. Then the fault is gone.
TEST_F(DiskFaultsTest, OnlyUnitsOfTheBadShardFailAndOnlyWhileItIsBad) {
  std::set<std::string> shards{"model-00001-of-00003.safetensors"};
  for (size_t n = 0; n < shards.size(); ++n) {
    const TestServer server(kSharded, Engine());
    const uint32_t units = server.model().unit_count();
    for (uint32_t i = 0; i < units; ++i) shards.insert(ShardOf(server, i));
    ASSERT_GE(shards.size(), 3u);
    const std::string& bad = *std::next(shards.begin(), static_cast<int64_t>(n));
    SCOPED_TRACE(bad);
    faults_.Fail(bad);
    constexpr uint32_t kClients = 4;
    std::vector<std::vector<absl::Status>> results(kClients);
    std::vector<std::thread> clients;
    for (uint32_t c = 0; c < kClients; ++c) {
      clients.emplace_back([&, c] {
        for (uint32_t i = 0; i < units; ++i) {
          results[c].push_back(Fetch(server, server.model().unit((i + 2 * c) % units).id,
                                     c % 2 == 0 ? v1::FORM_STORED : v1::FORM_DECODED));
        }
      });
    }
    for (std::thread& client : clients) client.join();
    for (uint32_t c = 0; c < kClients; ++c) {
      for (uint32_t i = 0; i < units; ++i) {
        const uint32_t unit = (i + 2 * c) % units;
        if (ShardOf(server, unit) == bad) {
          ExpectReadFailed(server, unit, results[c][i]);
        } else {
          EXPECT_THAT(results[c][i], IsOk()) << server.model().unit(unit).id;
        }
      }
    }
    faults_.Mend();
    CollectingSink sink;
    EXPECT_THAT(server.Connect()->Fetch(Request(v1::FORM_DECODED), /*verify=*/true, sink), IsOk());
    EXPECT_EQ(sink.tensors, server.tensors());
  }
}

TEST_F(DiskFaultsTest, AFetchOfTheWholeModelEndsAtTheFirstBadUnit) {
  const TestServer server(kSharded, Engine());
  const uint32_t layer = *server.model().FindUnit("layers.4");
  faults_.Fail(ShardOf(server, layer));
  const auto client = server.Connect();
  ASSERT_NE(client, nullptr);
  CollectingSink sink;
  const absl::Status status = client->Fetch(Request(v1::FORM_DECODED), /*verify=*/true, sink);
  uint32_t first = 0;
  while (ShardOf(server, first) != ShardOf(server, layer)) ++first;
  ExpectReadFailed(server, first, status);
  EXPECT_EQ(sink.units.size(), first + 1) << "those before it have come";
  EXPECT_TRUE(testing::WaitUntilSettled(server.engine()));
  faults_.Mend();
  CollectingSink again;
  EXPECT_THAT(client->Fetch(Request(v1::FORM_DECODED), /*verify=*/true, again), IsOk());
  EXPECT_EQ(again.tensors, server.tensors());
}

// Whatever the forms: the disk is asked once, the unit decoded once.
TEST_F(DiskFaultsTest, ClientsThatWantTheSameColdUnitCauseOneRead) {
  for (const std::vector<v1::Form>& forms :
       {std::vector{v1::FORM_DECODED, v1::FORM_DECODED},
        std::vector{v1::FORM_STORED, v1::FORM_DECODED},
        std::vector{v1::FORM_DECODED, v1::FORM_STORED, v1::FORM_DECODED}}) {
    const TestServer server(kSharded, Engine());
    const ::ecf8::Engine& engine = server.engine();
    faults_.Hold();
    std::vector<absl::Status> results(forms.size());
    std::vector<std::thread> clients;
    for (size_t i = 0; i < forms.size(); ++i) {
      clients.emplace_back([&, i] { results[i] = Fetch(server, "layers.3", forms[i]); });
    }
    const bool all_wait =
        Within20s([&] { return engine.stats().requests == forms.size() && faults_.held() > 0; });
    faults_.LetGo();
    for (std::thread& client : clients) client.join();
    EXPECT_TRUE(all_wait);
    for (const absl::Status& result : results) EXPECT_THAT(result, IsOk());
    EXPECT_TRUE(testing::WaitUntilSettled(server.engine()));
    const Unit& unit = server.model().unit(*server.model().FindUnit("layers.3"));
    const EngineStats stats = engine.stats();
    EXPECT_EQ(stats.read_bytes, unit.stored_size_bytes);
    EXPECT_EQ(engine.reader_info().bytes_read, unit.stored_size_bytes);
    EXPECT_EQ(stats.host.misses, 1u);
    uint64_t decoded_bytes = 0;
    for (const Piece& piece : unit.pieces) decoded_bytes += piece.decoded_size_bytes;
    EXPECT_EQ(stats.decoded_bytes, decoded_bytes);
  }
}

}  // namespace
}  // namespace ecf8
