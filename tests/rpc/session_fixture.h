// A fixture: a server of eight equal layers, and sessions with it.
#ifndef ECF8_TESTS_RPC_SESSION_FIXTURE_H_
#define ECF8_TESTS_RPC_SESSION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/memory/slot_space.h"
#include "rpc/session_client.h"
#include "tests/rpc/test_server.h"
#include "tests/support/shard_faults.h"
#include "tests/support/status_matchers.h"

namespace ecf8::testing {

// Eight layers of three chunks: 4 MiB of slots each.
inline constexpr SmallModelOptions kLayers{.layers = 8, .projection_rows = 2500};
inline constexpr uint64_t kLayerSlot = 2 * kSlotPageBytes;

class SessionTest : public ::testing::Test {
 protected:
  // The server's end waits for its reads, also where a test has failed while they were held.
  void TearDown() override { faults_.LetGo(); }

  void Start(uint64_t slot_bytes = 64 << 20, const SessionLimits& limits = {},
             bool with_other = false) {
    EngineOptions options = SmallEngine();
    options.host_budget_bytes = host_bytes_;
    options.slot_budget_bytes = slot_bytes;
    options.reader.backend = BlockReaderBackend::kThreads;
    options.reader.calls = &faults_;
    server_ = std::make_unique<TestServer>(kLayers, options, 64, limits, with_other,
                                           preload_bytes_per_second_);
    client_ = server_->Connect();
    ASSERT_NE(client_, nullptr);
  }

  uint32_t Layer(int layer) const {
    return *server_->model().FindUnit("layers." + std::to_string(layer));
  }
  std::vector<uint32_t> Layers(int count) const {
    std::vector<uint32_t> layers;
    for (int i = 0; i < count; ++i) layers.push_back(Layer(i));
    return layers;
  }

  absl::StatusOr<std::unique_ptr<SessionClient>> TryOpen(SessionClientOptions options) const {
    if (options.model.empty()) options.model = "small";
    return SessionClient::Open(*client_, server_->address(), options);
  }
  std::unique_ptr<SessionClient> Open(const SessionClientOptions& options = {.model = {}}) const {
    auto session = TryOpen(options);
    EXPECT_THAT(session, IsOk());
    return session.ok() ? *std::move(session) : nullptr;
  }

  // Every tensor of every unit of the set is what the checkpoint holds.
  void ExpectRight(const SessionClient& session, const LeasedSet& set,
                   const std::vector<uint32_t>& units) const {
    ASSERT_EQ(set.size(), units.size());
    for (size_t i = 0; i < units.size(); ++i) {
      const v1::Unit& unit = session.units()[units[i]];
      for (int t = 0; t < unit.tensors_size(); ++t) {
        const absl::Span<const uint8_t> bytes = set.tensor(i, t);
        const std::string& whole = server_->tensors().at(unit.tensors(t).name());
        const uint64_t offset = unit.tensors(t).tensor_offset_bytes();
        ASSERT_LE(offset + bytes.size(), whole.size());
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(),
                               reinterpret_cast<const uint8_t*>(whole.data()) + offset))
            << unit.tensors(t).name();
      }
    }
  }

  bool EverythingIsGivenBack() const {
    return Within20s([&] {
      return server_->server().session_count() == 0 && server_->engine().stats().requests == 0 &&
             server_->server().slot_socket()->connection_count() == 0 &&
             server_->engine().slot_grants().free_bytes() ==
                 server_->engine().shared_slots().slot_bytes;
    });
  }

  uint64_t host_bytes_ = 64 << 20;
  uint64_t preload_bytes_per_second_ = 0;
  ShardFaults faults_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<WeightClient> client_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_SESSION_FIXTURE_H_
