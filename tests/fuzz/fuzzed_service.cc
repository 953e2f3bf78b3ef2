#include "tests/fuzz/fuzzed_service.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "loader/memory/slot_space.h"
#include "spdlog/spdlog.h"
#include "tests/rpc/comparing_sink.h"
#include "tests/support/wait.h"

namespace ecf8 {
namespace {

// Beyond the daemon's own patience with clients that say nothing.
constexpr std::chrono::seconds kPatience(30);
constexpr uint64_t kSlotBytes = 10 * kSlotPageBytes;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

bool Soon(const std::function<bool()>& condition) {
  return testing::Within(kPatience, condition, std::chrono::milliseconds(1));
}

}  // namespace

FuzzedService::FuzzedService() {
  spdlog::set_level(spdlog::level::off);
  const testing::SmallModelOptions small{.layers = 2, .projection_rows = 40};
  const std::string root = directory_ / "models";
  tensors_ = testing::MakeCompressedModel(root, "small", small);
  testing::MakeCompressedModel(root, "other", small);
  const auto model = testing::OpenModel(root + "/small");
  digest_ = model->digest();
  address_.socket_path = directory_ / "s.sock";
  ServerOptions options;
  options.address = address_;
  options.threads = 1;
  options.max_streams = 4;
  options.max_recorders = 2;
  options.max_preloads = 2;
  options.max_sessions = 4;
  options.max_models = 2;
  options.engine.host_budget_bytes = 4 << 20;
  options.engine.slot_budget_bytes = kSlotBytes;
  options.engine.decode_threads = 1;
  options.engine.touch_threads = 0;
  options.model_roots = *ModelRoots::Open({root});
  auto server = Server::Start({model}, options);
  Require(server.ok(), "no server");
  server_ = *std::move(server);
  auto client = WeightClient::Connect(address_, kPatience);
  Require(client.ok(), "no client");
  client_ = *std::move(client);
  channel_ = grpc::CreateChannel(address_.ToGrpcTarget(), grpc::InsecureChannelCredentials());
}

bool FuzzedService::NobodyIsThere() const {
  return server_->session_count() == 0 && server_->stream_count() == 0 &&
         server_->preload_count() == 0 && server_->slot_socket()->connection_count() == 0 &&
         server_->engine().stats().requests == 0;
}

void FuzzedService::ServeSmallAlone() {
  const absl::Status added = client_->AddModel("small", digest_).status();
  Require(added.ok() || absl::IsAlreadyExists(added), "small cannot be added");
  const absl::Status removed = client_->RemoveModel("other", "").status();
  Require(removed.ok() || absl::IsNotFound(removed), "other cannot be removed");
  const auto models = client_->ListModels();
  Require(models.ok() && models->size() == 1 && models->front().name() == "small",
          "not the models that there should be");
}

void FuzzedService::ForgetEverything() {
  v1::UnitsInTier all;
  all.set_model("small");
  Require(client_->Unpin(all).ok(), "no unpin");
  Require(Soon([&] { return server_->engine().pins().empty(); }), "pins are left");
  Require(server_->engine().slot_grants().granted_bytes() == 0, "grants are left");
  Require(Soon([&] {
            Require(client_->Evict(all).ok(), "no eviction");
            const EngineStats stats = server_->engine().stats();
            return stats.host.free_bytes == stats.host.capacity_bytes &&
                   stats.slots.free_bytes == stats.slots.capacity_bytes;
          }),
          "memory is left");
}

void FuzzedService::CheckThatAllIsWell() {
  Require(Soon([&] { return NobodyIsThere(); }), "something of a client is left");
  ServeSmallAlone();
  ForgetEverything();
  v1::FetchRequest request;
  request.set_model("small");
  request.set_form(v1::FORM_DECODED);
  request.add_units("layers.1");
  testing::ComparingSink sink(tensors_);
  Require(client_->Fetch(request, /*verify=*/true, sink).ok(), "no fetch");
}

}  // namespace ecf8
