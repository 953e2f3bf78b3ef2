// ecf8_bench_rpc: a whole model fetched decoded over a Unix socket, beside the same bytes through a
// bare gRPC stream that does nothing else, in turn, in one process. The figure for
// docs/BENCHMARKS.md.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "ecf8/v1/weights.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "loader/base/file.h"
#include "loader/serve/unit_reader.h"
#include "nlohmann/json.hpp"
#include "rpc/client.h"
#include "rpc/error_status.h"
#include "rpc/grpc_log.h"
#include "rpc/server.h"
#include "rpc/status_table.h"
#include "tools/arguments.h"
#include "tools/ecf8/samples.h"

namespace ecf8 {
namespace {

struct Options {
  std::string model;
  int runs = 5;
  int threads = 0;
};

// Sends so many bytes from one buffer, in messages of the real service's size.
class BareStream final : public grpc::ServerWriteReactor<v1::FetchResponse> {
 public:
  explicit BareStream(uint64_t bytes) : left_(bytes) {
    message_.mutable_data()->mutable_data()->assign(kMaxMessageDataBytes, 'x');
    WriteNext();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) left_ = 0;
    WriteNext();
  }
  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    if (left_ == 0) return Finish(grpc::Status::OK);
    const uint64_t size = std::min(left_, kMaxMessageDataBytes);
    if (size < kMaxMessageDataBytes) message_.mutable_data()->mutable_data()->resize(size);
    left_ -= size;
    StartWrite(&message_);
  }

  uint64_t left_;
  v1::FetchResponse message_;
};

class BareService final : public v1::WeightService::CallbackService {
 public:
  explicit BareService(uint64_t bytes) : bytes_(bytes) {}
  grpc::ServerWriteReactor<v1::FetchResponse>* Fetch(grpc::CallbackServerContext* /*context*/,
                                                     const v1::FetchRequest* /*request*/) override {
    return new BareStream(bytes_);
  }

 private:
  uint64_t bytes_;
};

class DiscardingSink final : public FetchSink {
 public:
  absl::Status UnitBegin(const v1::Unit& /*unit*/) override { return absl::OkStatus(); }
  absl::Status UnitData(uint64_t /*offset_bytes*/, std::string_view data) override {
    bytes += data.size();
    return absl::OkStatus();
  }
  absl::Status UnitEnd() override { return absl::OkStatus(); }

  uint64_t bytes = 0;
};

template <typename Function>
absl::StatusOr<double> Seconds(Function function) {
  const auto started = std::chrono::steady_clock::now();
  ECF8_RETURN_IF_ERROR(function());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

absl::Status FetchModel(WeightClient& client, const std::string& model, uint64_t* bytes) {
  v1::FetchRequest request;
  request.set_model(model);
  request.set_form(v1::FORM_DECODED);
  DiscardingSink sink;
  const absl::Status status = client.Fetch(request, /*verify=*/false, sink);
  *bytes = sink.bytes;
  return status;
}

absl::Status ReadBare(v1::WeightService::Stub& stub) {
  grpc::ClientContext context;
  const auto reader = stub.Fetch(&context, v1::FetchRequest());
  v1::FetchResponse message;
  while (reader->Read(&message)) {
  }
  return FromGrpcStatus(reader->Finish());
}

absl::StatusOr<nlohmann::ordered_json> Measure(const Options& options,
                                               const std::string& directory) {
  std::vector<SkippedDirectory> skipped;
  ECF8_ASSIGN_OR_RETURN(const OpenedModels models, OpenModels({options.model}, &skipped));
  if (models.size() != 1) return absl::InvalidArgumentError("give one model");
  const std::string name = models.front()->name();
  ServerOptions server_options;
  server_options.address.socket_path = directory + "/ecf8.sock";
  server_options.threads = options.threads;
  ECF8_ASSIGN_OR_RETURN(const auto server, Server::Start(models, server_options));
  ECF8_ASSIGN_OR_RETURN(const auto client,
                        WeightClient::Connect(server->address(), std::chrono::seconds(10)));

  uint64_t bytes = 0;
  ECF8_RETURN_IF_ERROR(FetchModel(*client, name, &bytes));  // warms up the page cache, too

  BareService bare_service(bytes);
  grpc::ServerBuilder builder;
  const std::string bare_address = "unix:" + directory + "/bare.sock";
  builder.AddListeningPort(bare_address, grpc::InsecureServerCredentials());
  builder.RegisterService(&bare_service);
  const std::unique_ptr<grpc::Server> bare_server = builder.BuildAndStart();
  if (bare_server == nullptr) return absl::InternalError("no bare server");
  const auto stub = v1::WeightService::NewStub(
      grpc::CreateChannel(bare_address, grpc::InsecureChannelCredentials()));
  ECF8_RETURN_IF_ERROR(ReadBare(*stub));

  std::vector<double> fetch_gb_s;
  std::vector<double> bare_gb_s;
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  for (int run = 0; run < options.runs; ++run) {
    ECF8_ASSIGN_OR_RETURN(const double fetch,
                          Seconds([&] { return FetchModel(*client, name, &bytes); }));
    ECF8_ASSIGN_OR_RETURN(const double bare, Seconds([&] { return ReadBare(*stub); }));
    fetch_gb_s.push_back(gigabytes / fetch);
    bare_gb_s.push_back(gigabytes / bare);
  }
  nlohmann::ordered_json result;
  result["model"] = name;
  result["decoded_bytes"] = bytes;
  result["runs"] = options.runs;
  result["fetch_gb_per_second"] = Median(fetch_gb_s);
  result["bare_stream_gb_per_second"] = Median(bare_gb_s);
  result["ratio"] = Median(fetch_gb_s) / Median(bare_gb_s);
  result["fetch_runs"] = fetch_gb_s;
  result["bare_stream_runs"] = bare_gb_s;
  return result;
}

int Main(int argc, char** argv) {
  Options options;
  CommandLine command_line(
      "ecf8_bench_rpc",
      "Fetches a model over a Unix socket, beside a bare gRPC stream of the same bytes.");
  Arguments arguments = command_line.arguments();
  arguments.Add("MODEL", options.model, "a compressed model").Required();
  arguments.Add("--runs", options.runs, "of each; the median counts").Range(1, 99);
  arguments.Add("--threads", options.threads, "that read and decode; 0: one a core").Range(0, 1024);
  if (const std::optional<int> exit_status = command_line.Parse(argc, argv)) return *exit_status;
  SilenceGrpcLog();
  std::string directory = "/tmp/ecf8-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    std::fprintf(stderr, "ecf8_bench_rpc: could not make %s\n", directory.c_str());
    return kExitFailed;
  }
  const auto result = Measure(options, directory);
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  if (!result.ok()) {
    std::fprintf(stderr, "ecf8_bench_rpc: %s\n", std::string(result.status().message()).c_str());
    return kExitFailed;
  }
  std::printf("%s\n", result->dump(2).c_str());
  return kExitDone;
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) { return ecf8::Main(argc, argv); }
