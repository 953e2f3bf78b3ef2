// A client's session: units of a model, decoded or as they are stored, read where the daemon has
// put them.
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
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/v1/session.pb.h"
#include "ecf8/v1/weights.pb.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_mapping_calls.h"
#include "rpc/address.h"
#include "rpc/call_limits.h"
#include "rpc/client.h"
#include "rpc/session_mux.h"
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
  // What the slots are to hold: FORM_STORED, each chunk of it checked, is for who decodes himself.
  v1::Form form = v1::FORM_DECODED;
  std::string request_id{};
  std::chrono::milliseconds timeout{5000};  // for the slot socket to answer
  // Where slots are a GPU's memory: what to map it by, which outlives the session. Null: the
  // machine's driver.
  CudaMappingCalls* cuda = nullptr;
};

// UNIMPLEMENTED where the daemon is older than what was asked for: it leaves out what it does not
// know, and goes on.
absl::Status CheckOpened(const SessionClientOptions& options, const v1::SessionOpened& opened);

// Where the session's slots are a GPU's memory.
struct GpuSlots {
  CudaMappingCalls* cuda = nullptr;
  int device = 0;  // its number in this process
  CudaUuid uuid{};
};

// What a session and its leases share: it lives as long as any of them, so that what was leased
// stays mapped. Thread-safe.
struct SessionState {
  std::shared_ptr<SlotMapping> mapping;
  v1::Model model;
  std::vector<v1::Unit> units;  // by index; with chunks where the form is FORM_STORED
  v1::Form form = v1::FORM_DECODED;
  std::unique_ptr<SessionMux> mux;
  std::optional<GpuSlots> gpu;  // that has the slots
};

// Slots that are leased until it is released or destroyed. Movable. Where the session ends before,
// they are still mapped, but Check may find that they were given away. Thread-compatible.
class LeasedSet {
 public:
  LeasedSet() = default;
  LeasedSet(LeasedSet&& other) noexcept = default;
  LeasedSet& operator=(LeasedSet&& other) noexcept;
  // Releases, within a few seconds: a daemon that does not listen for longer loses the session.
  ~LeasedSet();

  bool leased() const { return session_ != nullptr; }
  size_t size() const { return units_.size(); }
  // The unit in the session's form, as DescribeModel lays it out, of the `i`th that was asked for:
  // in host memory, or in the GPU's, as the session's slots are. The other is empty.
  absl::Span<const uint8_t> unit(size_t i) const { return Part(i, session_->mapping->slots()); }
  absl::Span<const uint8_t> unit_dev(size_t i) const {
    return Part(i, session_->mapping->slots_dev());
  }
  uint32_t unit_index(size_t i) const { return units_[i]; }
  // Of a set that is leased.
  v1::Form form() const { return session_->form; }
  // What keeps them mapped, also after the lease. Null where nothing is leased.
  std::shared_ptr<const SlotMapping> mapping() const;
  // One tensor of it, or the part that the unit holds, in layout order: its weights, or its chunks
  // as they are stored, one after another.
  absl::Span<const uint8_t> tensor(size_t i, int tensor) const;
  absl::Span<const uint8_t> tensor_dev(size_t i, int tensor) const;

  // DATA_LOSS where a slot is not the one that was leased any more: what was read of it may be
  // anything.
  absl::Status Check() const;

  // Checks, and gives the slots back: nothing that the GPU has yet to do reads them.
  absl::Status Release(const CallLimits& limits = {});

  // Waits until all has passed that was queued in `stream`, a cudaStream_t or CUstream of the
  // slots' GPU, and then releases. Beyond the limits, and after an error of CUDA, they are leased
  // still. FAILED_PRECONDITION where the slots are no GPU's.
  absl::Status ReleaseAfter(void* stream, const CallLimits& limits = {});

 private:
  friend class SessionClient;

  void Forget();  // it is given back

  std::shared_ptr<SessionState> session_;  // null: nothing is leased
  uint64_t set_id_ = 0;
  struct Place {
    uint64_t offset_bytes = 0;
    uint64_t size_bytes = 0;
    uint64_t generation = 0;
  };
  absl::Span<const uint8_t> Part(size_t i, absl::Span<const uint8_t> slots) const {
    return slots.empty() ? slots : slots.subspan(places_[i].offset_bytes, places_[i].size_bytes);
  }

  std::vector<uint32_t> units_;
  std::vector<Place> places_;  // as units_
};

// Thread-safe. Where the session has ended, every call says why.
class SessionClient {
 public:
  // `client` is connected to `address`. Errors of SlotMapping and of the daemon; INVALID_ARGUMENT
  // for an address that is no Unix socket; UNIMPLEMENTED where the daemon knows no resident
  // sessions, or has no slots for the form; FAILED_PRECONDITION where its slots are a GPU's, and
  // there is no CUDA here.
  static absl::StatusOr<std::unique_ptr<SessionClient>> Open(WeightClient& client,
                                                             const Address& address,
                                                             const SessionClientOptions& options,
                                                             const CallLimits& limits = {});
  SessionClient(const SessionClient&) = delete;
  SessionClient& operator=(const SessionClient&) = delete;
  // As Close.
  ~SessionClient();

  // Ends the session, and with it whatever is leased. The daemon has given all of it back when this
  // returns, if it answers within a few seconds.
  void Close();

  // Waits until all of the units are there. An error of the set (a unit is damaged, it can never
  // fit) leaves the session as it was; beyond the limits the set is given up.
  absl::StatusOr<LeasedSet> Acquire(const std::vector<uint32_t>& units,
                                    const CallLimits& limits = {});

  // The same in two steps, with work in between. Every set that was started must be waited for
  // until it is there or has failed, or be given up.
  absl::StatusOr<uint64_t> StartAcquire(const std::vector<uint32_t>& units,
                                        const CallLimits& limits = {});
  // Gives `done` back and asks for `units`, in one message: what a walk has to say at the end of a
  // layer. Where it fails nothing was asked for, and `done` is leased still or has ended as by its
  // Release.
  absl::StatusOr<uint64_t> Exchange(LeasedSet& done, const std::vector<uint32_t>& units,
                                    const CallLimits& limits = {});
  absl::StatusOr<LeasedSet> Wait(uint64_t set_id, const CallLimits& limits = {});
  void GiveUp(uint64_t set_id);
  bool IsWaitedFor(uint64_t set_id);

  absl::Status Hint(const std::vector<uint32_t>& units, const CallLimits& limits = {});
  absl::Status Skip(uint32_t count, const CallLimits& limits = {});
  // There and back, and nothing else.
  absl::Status Ping(const CallLimits& limits = {}) { return state_->mux->Ping(limits); }

  // Not OK: the session has ended so, as far as has been heard.
  absl::Status status() { return state_->mux->status(); }

  // Ends the session now: calls that wait return.
  void Cancel() { state_->mux->Cancel(); }

  const v1::Model& model() const { return state_->model; }
  const std::vector<v1::Unit>& units() const { return state_->units; }  // by index
  v1::Form form() const { return state_->form; }
  uint64_t slot_bytes() const { return opened_.slot_bytes(); }  // granted
  const SlotMapping& mapping() const { return *state_->mapping; }
  const std::optional<GpuSlots>& gpu() const { return state_->gpu; }

 private:
  SessionClient() = default;

  absl::Status TakeGpuSlots(const SessionClientOptions& options);
  absl::StatusOr<uint64_t> Start(const std::vector<uint32_t>& units, const CallLimits& limits,
                                 uint64_t release_set_id);
  // What `ready` leases: a set of `units`, checked.
  absl::StatusOr<LeasedSet> Lease(uint64_t set_id, std::vector<uint32_t> units,
                                  const v1::SetReady& ready);

  std::shared_ptr<SessionState> state_;
  v1::SessionOpened opened_;
  Mutex mutex_;
  // The units of sets that are waited for.
  std::map<uint64_t, std::vector<uint32_t>> started_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_SESSION_CLIENT_H_
