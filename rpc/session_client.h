// A client's session: units of a model, decoded, read where the daemon has put them.
//
//   ECF8_ASSIGN_OR_RETURN(auto client, WeightClient::Connect(address, timeout));
//   ECF8_ASSIGN_OR_RETURN(auto session,
//                         SessionClient::Open(*client, address, {.model = "m", .depth = 2}));
//   ECF8_ASSIGN_OR_RETURN(LeasedSet set, session->Acquire({17, 18}));
//   ... set.unit(0), set.unit(1): valid until ...
//   ECF8_RETURN_IF_ERROR(set.Release());
#ifndef ECF8_RPC_SESSION_CLIENT_H_
#define ECF8_RPC_SESSION_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/v1/session.pb.h"
#include "ecf8/v1/weights.pb.h"
#include "grpcpp/client_context.h"
#include "rpc/address.h"
#include "rpc/client.h"
#include "rpc/slot_mapping.h"

namespace ecf8 {

struct SessionClientOptions {
  std::string model;
  std::string digest{};          // of the weights that are wanted; empty: those that are served
  std::vector<uint32_t> walk{};  // by unit index; see v1::Schedule
  bool cyclic = false;
  uint32_t depth = 0;
  uint64_t slot_bytes = 0;  // 0: the daemon's choice; of a resident session, none
  // The whole model stays in slots, also after the session, until it is unpinned: whoever opens it
  // again finds it there.
  bool resident = false;
  std::string request_id{};
  std::chrono::milliseconds timeout{5000};  // for the slot socket to answer
};

class SessionClient;

// Slots that are leased until it is released or destroyed. Movable; must not outlive its session.
class LeasedSet {
 public:
  LeasedSet() = default;
  LeasedSet(LeasedSet&& other) noexcept;
  LeasedSet& operator=(LeasedSet&& other) noexcept;
  ~LeasedSet();

  size_t size() const { return units_.size(); }
  // The decoded unit, as DescribeModel lays it out, of the `i`th that was asked for.
  absl::Span<const uint8_t> unit(size_t i) const { return bytes_[i]; }
  // One tensor of it, or the part that the unit holds, in layout order.
  absl::Span<const uint8_t> tensor(size_t i, int tensor) const;

  // DATA_LOSS where a slot is not the one that was leased any more: what was read of it may be
  // anything.
  absl::Status Check() const;

  // Checks, and gives the slots back.
  absl::Status Release();

 private:
  friend class SessionClient;

  SessionClient* session_ = nullptr;
  uint64_t set_id_ = 0;
  std::vector<uint32_t> units_;
  std::vector<absl::Span<const uint8_t>> bytes_;
  std::vector<uint64_t> generations_;
};

// Thread-compatible, but for Cancel. Where the session has ended, every call says why.
class SessionClient {
 public:
  // `client` is connected to `address` and outlives the session. Errors of SlotMapping::Connect and
  // of the daemon; INVALID_ARGUMENT for an address that is no Unix socket; UNIMPLEMENTED where the
  // daemon knows no resident sessions.
  static absl::StatusOr<std::unique_ptr<SessionClient>> Open(WeightClient& client,
                                                             const Address& address,
                                                             const SessionClientOptions& options);
  SessionClient(const SessionClient&) = delete;
  SessionClient& operator=(const SessionClient&) = delete;
  // Ends the session, and with it whatever is leased.
  ~SessionClient();

  // Waits until all of the units are there. An error of the set (a unit is damaged, it can never
  // fit) leaves the session as it was.
  // DEADLINE_EXCEEDED after a `timeout` above 0, which the daemon looks at five times a second.
  absl::StatusOr<LeasedSet> Acquire(const std::vector<uint32_t>& units,
                                    std::chrono::milliseconds timeout = {});

  // The same in two steps, with work in between. Every set that was started must be waited for.
  absl::StatusOr<uint64_t> StartAcquire(const std::vector<uint32_t>& units,
                                        std::chrono::milliseconds timeout = {});
  absl::StatusOr<LeasedSet> Wait(uint64_t set_id);
  // The set is not wanted any more: Wait says CANCELLED, or gives it all the same.
  absl::Status CancelAcquire(uint64_t set_id);

  absl::Status Hint(const std::vector<uint32_t>& units);
  absl::Status Skip(uint32_t count);
  // There and back, and nothing else.
  absl::Status Ping();

  // Ends the session now: calls that wait return. Thread-safe.
  void Cancel() { context_.TryCancel(); }

  const v1::Model& model() const { return model_; }
  const std::vector<v1::Unit>& units() const { return units_; }  // by index
  uint64_t slot_bytes() const { return opened_.slot_bytes(); }   // granted
  const SlotMapping& mapping() const { return *mapping_; }

 private:
  friend class LeasedSet;
  using Stream = grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>;

  SessionClient() = default;

  absl::Status Write(const v1::SessionRequest& request);
  // The next response; where the stream has ended, why.
  absl::Status Read(v1::SessionResponse* response);
  // Keeps the answer of a set until it is waited for.
  absl::Status Keep(const v1::SessionResponse& response);
  absl::Status EndOfStream();
  absl::StatusOr<LeasedSet> Lease(uint64_t set_id, const v1::SessionResponse& response);
  absl::Status Release(uint64_t set_id);

  std::unique_ptr<SlotMapping> mapping_;
  v1::Model model_;
  std::vector<v1::Unit> units_;
  v1::SessionOpened opened_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  absl::Status ended_;  // not OK: the stream has ended so
  uint64_t last_set_id_ = 0;
  std::map<uint64_t, std::vector<uint32_t>> started_;  // the units of sets that are waited for
  std::map<uint64_t, v1::SessionResponse> responses_;  // that came before they were waited for
};

}  // namespace ecf8

#endif  // ECF8_RPC_SESSION_CLIENT_H_
