// A fixture: a server whose device is a GPU, the fake of CUDA, and clients with fakes of their own,
// as if each were another process.
#ifndef ECF8_TESTS_RPC_GPU_SESSION_FIXTURE_H_
#define ECF8_TESTS_RPC_GPU_SESSION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/memory/slot_space.h"
#include "rpc/session_client.h"
#include "tests/rpc/test_server.h"
#include "tests/support/fake_cuda/device_bytes.h"
#include "tests/support/fake_cuda/fake_cuda.h"
#include "tests/support/status_matchers.h"

namespace ecf8::testing {

// Eight layers of three chunks: 4 MiB of slots each.
inline constexpr SmallModelOptions kGpuLayers{.layers = 8, .projection_rows = 2500};
inline constexpr uint64_t kGpuLayerSlot = 2 * kSlotPageBytes;

// A client's process: its CUDA, and its connection.
class GpuClient {
 public:
  explicit GpuClient(Address address)
      : address_(std::move(address)),
        bytes_(cuda_, 2 * kGpuLayerSlot),
        client_(*WeightClient::Connect(address_, std::chrono::seconds(20))) {}

  absl::StatusOr<std::unique_ptr<SessionClient>> TryOpen(SessionClientOptions options) {
    if (options.model.empty()) options.model = "small";
    options.cuda = &cuda_;
    return SessionClient::Open(*client_, address_, options);
  }
  std::unique_ptr<SessionClient> Open(const SessionClientOptions& options = {.model = {}}) {
    auto session = TryOpen(options);
    EXPECT_THAT(session, IsOk());
    return session.ok() ? *std::move(session) : nullptr;
  }

  // The same after what a client that was killed may have had still: the daemon hears of it late.
  std::unique_ptr<SessionClient> OpenAfterOthers(const SessionClientOptions& options) {
    std::unique_ptr<SessionClient> opened;
    EXPECT_TRUE(Within20s([&] {
      auto session = TryOpen(options);
      if (session.ok()) opened = *std::move(session);
      return opened != nullptr;
    }));
    return opened;
  }

  // Every tensor of every unit of the set is what the checkpoint holds.
  void ExpectRight(const SessionClient& session, const LeasedSet& set, const TensorBytes& tensors) {
    for (size_t i = 0; i < set.size(); ++i) {
      EXPECT_TRUE(set.unit(i).empty());
      const v1::Unit& unit = session.units()[set.unit_index(i)];
      for (int t = 0; t < unit.tensors_size(); ++t) {
        const std::string got = bytes_.Read(set.tensor_dev(i, t));
        const std::string& whole = tensors.at(unit.tensors(t).name());
        ASSERT_EQ(got == whole.substr(unit.tensors(t).tensor_offset_bytes(), got.size()), true)
            << unit.tensors(t).name();
      }
    }
  }

  FakeCuda& cuda() { return cuda_; }
  DeviceBytes& bytes() { return bytes_; }

 private:
  const Address address_;
  FakeCuda cuda_;
  DeviceBytes bytes_;
  std::unique_ptr<WeightClient> client_;
};

class GpuSessionTest : public ::testing::Test {
 protected:
  void Start(uint64_t slot_bytes = 64 << 20, const SessionLimits& limits = {}) {
    EngineOptions options = SmallEngine();
    options.host_budget_bytes = 160 << 20;  // the flights' pinned memory is of it
    options.slot_budget_bytes = slot_bytes;
    options.device_budget_bytes = frame_bytes_;
    options.device = "cuda:0";
    options.cuda = &cuda_;
    server_ = std::make_unique<TestServer>(kGpuLayers, options, 64, limits);
  }

  uint32_t Layer(int layer) const {
    return *server_->model().FindUnit("layers." + std::to_string(layer));
  }
  std::vector<uint32_t> Layers(int count) const {
    std::vector<uint32_t> layers;
    for (int i = 0; i < count; ++i) layers.push_back(Layer(i));
    return layers;
  }
  uint64_t slot_bytes() const { return server_->engine().slot_memory_dev().size(); }

  // The whole model over gRPC, which the slots that all share serve.
  void ExpectFetched() {
    CollectingSink sink;
    ASSERT_THAT(server_->Connect()->Fetch(Request(v1::FORM_DECODED), /*verify=*/false, sink),
                IsOk());
    for (const auto& [name, bytes] : server_->tensors()) {
      ASSERT_EQ(sink.tensors[name] == bytes, true) << name;
    }
  }

  bool EverythingIsGivenBack() const {
    return Within20s([&] {
      return server_->server().session_count() == 0 && server_->engine().stats().requests == 0 &&
             server_->server().slot_socket()->connection_count() == 0 &&
             server_->engine().slot_grants().free_bytes() == slot_bytes();
    });
  }

  uint64_t frame_bytes_ = 0;
  FakeCuda cuda_;
  std::unique_ptr<TestServer> server_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_GPU_SESSION_FIXTURE_H_
