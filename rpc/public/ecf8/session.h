// Sessions: units read where the daemon has put them, without a copy. For clients on its machine,
// of the user whose slots they are (docs/SESSIONS.md).
#ifndef ECF8_SESSION_H_
#define ECF8_SESSION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/call_options.h"
#include "ecf8/export.h"
#include "ecf8/model.h"

namespace ecf8 {

class Client;

struct SessionOptions {
  std::string model{};
  // Of the weights that are wanted; other ones are FAILED_PRECONDITION. Empty: those served, and
  // after a Reopen the same again.
  std::string digest{};
  // The walk that will be made, by unit index, each at most once: the next `depth` units after the
  // last one that was acquired are kept ready. Empty: nothing is made ready ahead.
  std::vector<uint32_t> walk{};
  bool cyclic = false;  // it begins again after its last unit
  uint32_t depth = 0;
  // Of slots, for all that is leased and ahead. 0: depth + 2 of the largest unit, or what is left;
  // of a resident session, none.
  uint64_t slot_bytes = 0;
  // The whole model is to be in slots and to stay there, also after the session and its process,
  // until it is unpinned: the daemon loads it, its units cost nothing of `slot_bytes`, and whoever
  // opens such a session again finds all of them where they are. RESOURCE_EXHAUSTED where there is
  // no room for all, UNIMPLEMENTED where the daemon is too old.
  bool resident = false;
  // What the slots are to hold. kStored, every chunk of it checked, is for clients that decode
  // themselves: what it takes is in the session's model(). UNIMPLEMENTED where the daemon is too
  // old, or decodes on a GPU.
  Form form = Form::kDecoded;
  std::string request_id{};  // free text of at most 64 bytes, for the daemon's log
};

// The GPU that a session's slots are memory of.
struct SessionGpu {
  int device = 0;                  // CUDA's number for it in this process
  std::array<uint8_t, 16> uuid{};  // as CUDA tells it
};

// Units that are leased until it is released or destroyed. Movable. It may outlive its session: its
// bytes stay mapped, but once the session has ended the daemon may give them to others, which Check
// notices. Thread-compatible; its bytes may be read by any number of threads.
class ECF8_EXPORT Lease {
 public:
  Lease();
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();

  // The units, as they were asked for.
  size_t size() const;
  const UnitInfo& unit(size_t i) const;
  // In the session's form.
  absl::Span<const uint8_t> bytes(size_t i) const;

  // A tensor, or the part of it that the first of the units with any of it holds: where the form is
  // kStored, its chunks one after another. Empty, its data() null, where none has.
  absl::Span<const uint8_t> tensor(std::string_view name) const;

  // The same where the session's slots are a GPU's memory (ClientSession::gpu): addresses on that
  // GPU, to be read by work on it. Then the two above are empty; else these are.
  absl::Span<const uint8_t> bytes_dev(size_t i) const;
  absl::Span<const uint8_t> tensor_dev(std::string_view name) const;

  // Keeps the bytes mapped for as long as it lives, whatever becomes of the lease and its session:
  // what is read then may be anything, but can be read. Null where nothing is leased.
  std::shared_ptr<const void> mapping() const;

  // DATA_LOSS where a slot was given to others, so that what was read may be anything.
  absl::Status Check() const;

  // Checks, and gives the units back. An error of the options leaves them leased; where the session
  // has ended, its error says how. The destructor does the same, without a word. Nothing that a GPU
  // has yet to do may read them.
  absl::Status Release(const CallOptions& options = {});

  // Of a session whose slots are a GPU's: waits until all has passed that this process has queued
  // in `stream`, a cudaStream_t or CUstream of that GPU's primary context (the runtime's,
  // PyTorch's; null: its default stream), and releases then. An error of the options or of CUDA
  // leaves them leased. FAILED_PRECONDITION where the slots are no GPU's.
  absl::Status ReleaseAfter(void* stream, const CallOptions& options = {});

 private:
  friend class ClientSession;
  friend class PendingLease;
  struct State;
  explicit Lease(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;  // null: nothing is leased
};

// Units that were asked for. Movable; destroyed, it gives them up. Thread-compatible.
class ECF8_EXPORT PendingLease {
 public:
  PendingLease();
  PendingLease(PendingLease&& other) noexcept;
  PendingLease& operator=(PendingLease&& other) noexcept;
  ~PendingLease();

  // Until all of them are there. An error of the options leaves it as it was, to be waited for
  // again; any other result is its end.
  absl::StatusOr<Lease> Wait(const CallOptions& options = {});

 private:
  friend class ClientSession;
  struct State;
  explicit PendingLease(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;  // null: nothing is waited for
};

// Thread-safe. Where the session has ended (the daemon was stopped or died, or Cancel was called),
// every call says how: UNAVAILABLE where it may be opened again.
class ECF8_EXPORT ClientSession {
 public:
  // Made by Client::OpenSession. Movable, though not while it is used.
  ClientSession(ClientSession&& other) noexcept;
  ClientSession& operator=(ClientSession&& other) noexcept;
  // Ends the session, and with it whatever is leased.
  ~ClientSession();

  // Waits until all of `units` (by index) are there: all of them or none. RESOURCE_EXHAUSTED where
  // they can never fit into what was granted (shortfall_bytes), where they found no memory within
  // the daemon's patience, or where there are too many sets; DATA_LOSS for a damaged unit. The
  // session goes on. Beyond the options, the set is given up.
  absl::StatusOr<Lease> Acquire(absl::Span<const uint32_t> units, const CallOptions& options = {});

  // The same in two steps, with work in between. Sets get their memory in the order of asking.
  absl::StatusOr<PendingLease> StartAcquire(absl::Span<const uint32_t> units,
                                            const CallOptions& options = {});

  // Gives `done` back and asks for `units`, in one message: what a walk has to say at the end of a
  // layer. Where it fails nothing was asked for, and `done` is leased still or has ended as by its
  // Release.
  absl::StatusOr<PendingLease> Exchange(Lease& done, absl::Span<const uint32_t> units,
                                        const CallOptions& options = {});

  // Units that may be acquired soon; taken for advice.
  absl::Status Hint(absl::Span<const uint32_t> units, const CallOptions& options = {});
  // So many units of the walk will not be acquired this time.
  absl::Status Skip(uint32_t count, const CallOptions& options = {});
  // There and back.
  absl::Status Ping(const CallOptions& options = {});

  // Not OK: the session has ended so. Does not wait.
  absl::Status status() const;

  // Ends the session now: calls that wait return with CANCELLED.
  void Cancel();

  // Begins a session that has ended anew (one that has not goes on): the same walk, from its start,
  // and the same weights, by their digest. Leases from before stay mapped, and are leased no more.
  // UNAVAILABLE where there is still no daemon, FAILED_PRECONDITION where it serves other weights
  // now, NOT_FOUND where no such model, RESOURCE_EXHAUSTED where it has no slots left; the session
  // stays ended then, and this may be tried again.
  absl::Status Reopen(const CallOptions& options = {});

  // Where the form is kStored, with what it takes to decode.
  const ModelDescription& model() const;
  uint64_t slot_bytes() const;  // granted
  // Where the daemon decodes on a GPU: its slots are that GPU's memory, mapped here by the driver
  // (libcuda.so.1), for this session alone. Nothing: they are host memory.
  std::optional<SessionGpu> gpu() const;

 private:
  friend class Client;
  struct State;
  explicit ClientSession(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ecf8

#endif  // ECF8_SESSION_H_
