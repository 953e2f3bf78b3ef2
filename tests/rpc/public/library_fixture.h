// A daemon in the process that may be stopped and started again, for tests of the client library.
#ifndef ECF8_TESTS_RPC_PUBLIC_LIBRARY_FIXTURE_H_
#define ECF8_TESTS_RPC_PUBLIC_LIBRARY_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ecf8/client.h"
#include "rpc/server.h"
#include "tests/rpc/test_server.h"
#include "tests/support/shard_faults.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8::testing {

// Layers of one chunk and a bit: a slot of 2 MiB each.
inline constexpr SmallModelOptions kLibraryModel{.layers = 4, .projection_rows = 1100};
inline constexpr SmallModelOptions kOtherWeights{.layers = 4, .projection_rows = 1101};

class LibraryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = new TempDir;
    tensors_ = new TensorBytes(MakeCompressedModel(models_->path(), "small", kLibraryModel));
    MakeCompressedModel(*models_ / "other", "small", kOtherWeights);
  }
  static void TearDownTestSuite() {
    delete models_;
    delete tensors_;
  }

  void Start(const std::string& parent = models_->path()) {
    model_ = OpenModel(parent + "/small");
    ServerOptions options;
    options.address.socket_path = socket_;
    options.threads = 2;
    options.engine = SmallEngine();
    options.engine.slot_budget_bytes = 32 << 20;
    options.engine.reader.backend = BlockReaderBackend::kThreads;
    options.engine.reader.calls = &faults_;
    auto server = Server::Start({model_}, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  void StartOther() { Start(*models_ / "other"); }
  void Stop() { server_.reset(); }

  Client Connect(const ClientOptions& options = {}) const {
    auto client = Client::Connect("unix:" + socket_, options);
    EXPECT_THAT(client, IsOk());
    return *std::move(client);
  }

  static std::string_view Text(absl::Span<const uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static const std::string& Tensor(const std::string& name) { return tensors_->at(name); }

  bool EverythingIsGivenBack() const {
    return Within20s([&] {
      return server_->session_count() == 0 && server_->engine().stats().requests == 0 &&
             server_->engine().slot_grants().free_bytes() ==
                 server_->engine().shared_slots().slot_bytes;
    });
  }

  static TempDir* models_;
  static TensorBytes* tensors_;

  TempDir directory_;
  const std::string socket_ = directory_ / "s.sock";
  ShardFaults faults_;
  std::shared_ptr<const CompressedModel> model_;
  std::unique_ptr<Server> server_;
};

inline TempDir* LibraryTest::models_ = nullptr;
inline TensorBytes* LibraryTest::tensors_ = nullptr;

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_PUBLIC_LIBRARY_FIXTURE_H_
