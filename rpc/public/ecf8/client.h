// A client of ecf8d: the weights of compressed models, by unit and by tensor.
//
//   absl::StatusOr<ecf8::Client> client = ecf8::Client::Connect();
//   absl::StatusOr<ecf8::FetchedUnit> layer = client->FetchUnit("smollm2", "layers.17");
//   layer->tensor("model.layers.17.mlp.down_proj.weight")  ->  the original FP8 bytes
//
// What comes is checked: right bytes, or an error. docs/CLIENT.md is the contract on a page.
#ifndef ECF8_CLIENT_H_
#define ECF8_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ecf8/call_options.h"
#include "ecf8/control.h"
#include "ecf8/error_detail.h"
#include "ecf8/export.h"
#include "ecf8/fetch.h"
#include "ecf8/model.h"
#include "ecf8/session.h"

namespace ecf8 {

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{5000};
  // A call that finds no daemon, or loses it before anything was delivered, tries again for so
  // long: a restart of the daemon is not seen. 0: it fails at once.
  std::chrono::milliseconds retry_for{5000};
  // For a daemon at "tls:HOST:PORT", PEM files: who may have signed its certificate; the client's
  // own, and its key. Empty: $ECF8_TLS_CA, or else whom the system believes; $ECF8_TLS_CERT and
  // $ECF8_TLS_KEY, or else none. Files that change are read again.
  std::string tls_ca{};
  std::string tls_cert{};
  std::string tls_key{};
  // Goes with every call over TLS, and over nothing else. Empty: $ECF8_TOKEN, or else none.
  std::string token{};
};

// Thread-safe. Movable, though not while it is used. Every error of the daemon's carries an
// ErrorDetail.
class ECF8_EXPORT Client {
 public:
  // To "unix:PATH", "HOST:PORT" or "tls:HOST:PORT"; empty: $ECF8_DAEMON, or else the user's own
  // socket. INVALID_ARGUMENT for an address that is none, or files of TLS that are none;
  // UNAVAILABLE where nobody answers there who is believed; FAILED_PRECONDITION where others can
  // write to the directory of the user's own socket.
  static absl::StatusOr<Client> Connect(std::string_view address = {},
                                        const ClientOptions& options = {});
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  // Sessions may outlive it.
  ~Client();

  absl::StatusOr<std::vector<ModelInfo>> Models(const CallOptions& options = {}) const;

  absl::StatusOr<ModelDescription> Describe(std::string_view model,
                                            const CallOptions& options = {}) const;

  // Brings what `request` names to `callbacks`. DATA_LOSS where a checksum does not hold, here or
  // in the daemon: what the current unit has brought may be wrong then, those before are right.
  absl::Status Fetch(const FetchRequest& request, const FetchCallbacks& callbacks,
                     const CallOptions& options = {}) const;

  // Brings the units of `request` to memory of the caller's, and then its tensors: a span for each,
  // in this order, of just its size (UnitInfo::size_bytes; of a tensor, the whole's decoded size):
  // INVALID_ARGUMENT for another. Tensors come decoded. With an error, what is there is undefined.
  absl::Status FetchInto(const FetchRequest& request, absl::Span<const absl::Span<uint8_t>> targets,
                         const CallOptions& options = {}) const;

  absl::StatusOr<FetchedUnit> FetchUnit(std::string_view model, std::string_view unit,
                                        Form form = Form::kDecoded,
                                        const CallOptions& options = {}) const;

  // Whole and decoded, however many units hold parts of it.
  absl::StatusOr<FetchedTensor> FetchTensor(std::string_view model, std::string_view tensor,
                                            const CallOptions& options = {}) const;

  // INVALID_ARGUMENT with a daemon on TCP; PERMISSION_DENIED where its slots are another user's;
  // RESOURCE_EXHAUSTED where it has no slots left (shortfall_bytes), or too many sessions.
  absl::StatusOr<ClientSession> OpenSession(const SessionOptions& session,
                                            const CallOptions& options = {}) const;

  // Brings units to a tier, and returns when they are there or have been passed by; what is there
  // is left as it is. `on_progress`, which may be empty, is told how far it is, on the thread that
  // called; ended by the options, what is on its way is forgotten. RESOURCE_EXHAUSTED, before
  // anything is read, where the units can never be there together (shortfall_bytes).
  absl::StatusOr<PreloadReport> Preload(
      const PreloadRequest& request,
      const std::function<void(const PreloadReport&)>& on_progress = {},
      const CallOptions& options = {}) const;

  absl::StatusOr<DaemonStatus> Status(const CallOptions& options = {}) const;

 private:
  friend class ClientSession;
  struct State;
  explicit Client(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ecf8

#endif  // ECF8_CLIENT_H_
