// A client of the daemon that trusts nothing it is sent.
#ifndef ECF8_RPC_CLIENT_H_
#define ECF8_RPC_CLIENT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/v1/control.grpc.pb.h"
#include "ecf8/v1/files.pb.h"
#include "ecf8/v1/models.grpc.pb.h"
#include "ecf8/v1/weights.grpc.pb.h"
#include "ecf8/v1/weights.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/impl/codegen/rpc_method.h"
#include "rpc/address.h"
#include "rpc/call_limits.h"
#include "rpc/client_credentials.h"
#include "rpc/fetch_checker.h"
#include "rpc/recording_checker.h"
#include "rpc/session_link.h"

namespace ecf8 {

// Thread-safe. Every error is the daemon's Status with its ErrorInfo, or UNAVAILABLE naming the
// address where there is no daemon, or DATA_LOSS where what came is wrong, or CANCELLED or
// DEADLINE_EXCEEDED by the limits.
//
// A call fails where the daemon is gone. Those that come after WaitForConnection has found it, or
// another in its place, do not.
class WeightClient {
 public:
  // Connects within `timeout`. FAILED_PRECONDITION where `address` is the default one and its
  // directory is not this user's own; the errors of MakeChannelCredentials. `stop` ends every call.
  // Clients of one process that name the same `connection` may share one.
  static absl::StatusOr<std::unique_ptr<WeightClient>> Connect(
      const Address& address, std::chrono::milliseconds timeout, std::stop_token stop = {},
      const ClientCredentials& credentials = {}, int connection = 0);

  // Waits until a daemon answers at the address, however often it did not. UNAVAILABLE beyond the
  // deadline.
  absl::Status WaitForConnection(const CallLimits& limits);

  absl::StatusOr<std::vector<v1::Model>> ListModels(const CallLimits& limits = {});

  // The model and its units, these one by one; an error of `on_unit` ends the call.
  absl::StatusOr<v1::Model> DescribeModel(
      const std::string& model, bool with_chunks,
      const std::function<absl::Status(const v1::Unit&)>& on_unit, const CallLimits& limits = {});

  // The part of the file that `request` names, which has the size of `out`. `received_bytes` says
  // how much of it has come. Returns the size of the whole file.
  absl::StatusOr<uint64_t> ReadFile(const v1::ReadFileRequest& request, absl::Span<uint8_t> out,
                                    std::atomic<uint64_t>& received_bytes,
                                    const CallLimits& limits = {});

  absl::StatusOr<v1::GetStatusResponse> GetStatus(const CallLimits& limits = {});

  // The model that was added or removed. `digest`: that it must have; empty: any.
  absl::StatusOr<v1::Model> AddModel(const std::string& name, const std::string& digest);
  absl::StatusOr<v1::Model> RemoveModel(const std::string& name, const std::string& digest);

  // Records until `duration` is over (0: without end) or the client is stopped, which both end it
  // in order: OK, and what was asked for until then is in. UNAVAILABLE with kShuttingDown where the
  // daemon has stopped before, and all was in, too.
  absl::Status RecordAccesses(const v1::RecordAccessesRequest& request,
                              std::chrono::milliseconds duration, RecordingSink& sink);

  // The stream of a session, for SessionClient.
  std::unique_ptr<SessionLink> StartSession() { return StartSessionLink(*stub_); }

  // `verify`: decode stored bytes and check the result. Decoded ones are checked always.
  absl::Status Fetch(const v1::FetchRequest& request, bool verify, FetchSink& sink,
                     const CallLimits& limits = {});

  // What is to be in memory; client_control.cc. Tells `on_progress` how far it is, and returns the
  // last that it was told.
  absl::StatusOr<v1::PreloadProgress> Preload(
      const v1::PreloadRequest& request,
      const std::function<void(const v1::PreloadProgress&)>& on_progress,
      const CallLimits& limits = {});
  absl::StatusOr<v1::PinResponse> Pin(const v1::UnitsInTier& units);
  absl::StatusOr<v1::UnpinResponse> Unpin(const v1::UnitsInTier& units);
  absl::StatusOr<v1::EvictResponse> Evict(const v1::UnitsInTier& units);

 private:
  WeightClient(Address address, std::shared_ptr<grpc::Channel> channel, std::stop_token stop);

  // `until_failure`: gives up where nobody listens.
  absl::Status WaitUntilReady(const CallLimits& limits, bool until_failure);
  // What gRPC says of the last try to connect.
  absl::Status Unreachable();

  const Address address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::WeightService::Stub> stub_;
  const std::unique_ptr<v1::ModelService::Stub> model_stub_;
  const std::unique_ptr<v1::ControlService::Stub> control_stub_;
  const grpc::internal::RpcMethod fetch_method_;
  const std::stop_token stop_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_CLIENT_H_
