// The daemon's server: a socket, its limits, and an orderly end.
#ifndef ECF8_RPC_SERVER_H_
#define ECF8_RPC_SERVER_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "loader/base/descriptor.h"
#include "loader/base/worker_pool.h"
#include "loader/engine/access_log.h"
#include "loader/engine/engine.h"
#include "loader/engine/heat_keeper.h"
#include "loader/memory/sealed_memory.h"
#include "loader/serve/model_roots.h"
#include "loader/serve/model_set.h"
#include "loader/serve/model_watcher.h"
#include "loader/serve/open_models.h"
#include "loader/session/resident_loader.h"
#include "loader/session/session.h"
#include "loader/session/ticket_table.h"
#include "rpc/access_control.h"
#include "rpc/address.h"
#include "rpc/call_observer.h"
#include "rpc/control_service.h"
#include "rpc/listener.h"
#include "rpc/model_service.h"
#include "rpc/self_check.h"
#include "rpc/server_credentials.h"
#include "rpc/slot_socket.h"
#include "rpc/stream_registry.h"
#include "rpc/unix_socket.h"
#include "rpc/weight_service.h"

namespace ecf8 {

// What one client, or all that may connect, can take of the server.
struct ServerLimits {
  ConnectionLimits connections{};
  // For all of TLS and of HTTP/2's beginning.
  std::chrono::milliseconds handshake_timeout{10'000};
  // A connection without a call is closed.
  std::chrono::milliseconds idle_timeout{600'000};
  int connection_streams = 128;     // calls at once; more wait in the client
  int max_request_bytes = 1 << 20;  // a message
  // Of the heap: beyond it connections are closed, those first that are not served (see
  // shedding.h).
  uint64_t heap_bytes = uint64_t{1} << 30;
  // What gRPC may keep of all connections together: calls, and messages that are not whole yet.
  // Beyond it calls are given up, whoever has made them: more than what heap_bytes may be passed by
  // for a moment.
  size_t transport_bytes = size_t{4} << 30;
};

struct ServerOptions {
  Address address;
  // Of a Unix socket: a group that may open it, and the users whose connections are taken, beside
  // this process's own (empty: all).
  std::optional<gid_t> socket_group{};
  std::vector<uid_t> socket_users{};
  ServerLimits limits{};
  int threads = 0;                        // that make messages; 0: one a core
  size_t max_streams = 64;                // Fetch and DescribeModel calls served at once
  size_t max_file_streams = 32;           // ReadFile calls
  size_t max_recorders = 4;               // RecordAccesses calls
  size_t max_preloads = 4;                // Preload calls
  uint64_t preload_bytes_per_second = 0;  // that each of them reads at most; 0: no limit
  size_t max_sessions = 64;               // Session calls
  SessionLimits session{};
  // Whose clients may map the slots, all others may fetch; unset: this process's user.
  std::optional<uid_t> session_uid{};
  CallObserver* call_observer = nullptr;  // outlives the server
  ServerTls tls{};                        // of a TCP address
  std::string token_path{};               // empty: whoever the transport lets in may do everything
  EngineOptions engine{};
  std::string heat_directory{};  // to keep what the engine learns in; empty: nowhere
  size_t max_models = 256;       // served at once
  ModelRoots model_roots{};      // that clients may add models from
  bool watch_models = false;     // serve what there is in the roots, as it comes and goes
};

// Thread-compatible. Without a Drain the destructor ends every stream at once.
class Server {
 public:
  // Listens when it returns. A Unix socket has its mode from the start (see ListenOnUnix); the
  // directory of the default one is made, and must be this user's own. Sockets that were `passed`
  // by who started this process, and listen at the options' address, or at its slot socket's, are
  // taken instead of new ones, and stay when the server goes.
  // ALREADY_EXISTS where the address is in use; FAILED_PRECONDITION as ListenOnTcp; the errors of
  // ModelSet::Add for `models`, and of ModelWatcher::Start.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const OpenedModels& models,
                                                       const ServerOptions& options,
                                                       std::vector<Descriptor> passed = {});

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // With the port that the system chose.
  const Address& address() const { return address_; }
  // It serves before, but not yet as fast: see Engine.
  void WaitUntilTouched() { engine_->WaitUntilTouched(); }
  // Returns when all that a call passes through has answered: the listener, gRPC, the threads that
  // make messages, the engine's loop. While the server drains, and after, without the first two.
  void WaitUntilAnswering();
  size_t stream_count() const { return registry_.size(); }
  size_t file_stream_count() const { return file_streams_.size(); }
  size_t session_count() const { return sessions_.size(); }
  size_t preload_count() const { return preloads_.size(); }
  Listener::Stats connection_stats() const { return listener_->stats(); }
  // Null where there are no sessions: with TCP, or a device whose memory cannot be mapped.
  const SlotSocket* slot_socket() const { return slot_socket_.get(); }
  const Engine& engine() const { return *engine_; }
  const ModelSet& models() const { return models_; }
  ModelSet& models() { return models_; }

  // Reads the tokens' file again. Where it is not good, the old ones stay. Thread-safe.
  absl::Status ReloadTokens() { return access_.Reload(); }

  // Refuses new streams, removes the socket, ends preloads, and waits until the other streams have
  // ended, at most `timeout`, or until `hurry` (asked several times a second; may be empty) returns
  // true. What is left then ends with UNAVAILABLE, and what cannot even be told that, because its
  // client does not read, is cut. Returns true where every stream ended by itself.
  bool Drain(std::chrono::milliseconds timeout, const std::function<bool()>& hurry);

 private:
  // What a server is made of, and may be refused.
  struct Parts {
    std::optional<SocketClaim> claim{};
    std::unique_ptr<AccessLog> accesses{};
    std::unique_ptr<Engine> engine{};
    std::unique_ptr<HeatKeeper> heat_keeper{};
  };

  Server(Parts parts, const ServerOptions& options);

  absl::Status AddModels(const OpenedModels& models);
  absl::Status WatchModels();
  // The slot socket, where sessions can be had.
  absl::Status ServeSlots(Descriptor passed);
  // gRPC, without a way in.
  absl::Status Build();
  // `passed`: empty, or where it listens already.
  absl::Status Listen(std::vector<Descriptor> passed);

  Address address_;
  const std::optional<gid_t> socket_group_;
  const std::vector<uid_t> socket_users_;
  const ServerLimits limits_;
  std::optional<SocketClaim> claim_;
  const std::unique_ptr<AccessLog> accesses_;  // the engine's observer
  const std::unique_ptr<Engine> engine_;
  std::unique_ptr<HeatKeeper> heat_keeper_;  // may be null
  ModelSet models_;
  const ModelRoots model_roots_;
  std::unique_ptr<ModelWatcher> watcher_;  // may be null
  StreamRegistry registry_;
  StreamRegistry file_streams_;
  StreamRegistry recorders_;
  StreamRegistry preloads_;
  StreamRegistry sessions_;
  const SessionLimits session_limits_;
  const size_t max_sessions_;
  CallObserver* const call_observer_;  // may be null
  const ServerTls tls_;
  AccessControl access_;
  TicketTable tickets_;
  SlotLinks slot_links_;
  SealedMemory no_slots_;  // of no bytes: what is handed out where slots are a session's own
  std::unique_ptr<SlotSocket> slot_socket_;
  ResidentLoader residents_;
  WorkerPool pool_;  // after what its tasks use
  WorkerPool file_pool_;
  WeightService service_;
  ModelService model_service_;
  ControlService control_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<SelfCheck> self_check_;
  std::unique_ptr<Listener> listener_;
  bool is_passed_ = false;  // its sockets were
};

}  // namespace ecf8

#endif  // ECF8_RPC_SERVER_H_
