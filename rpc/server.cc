#include "rpc/server.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "decoder/status_macros.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "loader/base/directory_events.h"
#include "loader/base/strings.h"
#include "rpc/call_limits.h"
#include "rpc/grpc_lifetime.h"
#include "rpc/health.h"
#include "rpc/listening_sockets.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

// How long ended streams get to tell their clients why, and cut ones to unwind.
// That read files for who copies models.
constexpr int kFileThreads = 2;
constexpr std::chrono::seconds kGrace(1);
constexpr std::chrono::milliseconds kHurryInterval(50);
// How long a connection stays open after its last stream. gRPC closes a connection that is told to
// end as soon as its streams have, and a client that then writes (a window update) drops what it
// has not read yet, the status included.
constexpr std::chrono::milliseconds kLinger(500);
// At the slot socket, beside those of the sessions: clients that are just coming or going.
constexpr size_t kSpareConnections = 16;

// Dead TCP peers hold a stream until a keepalive finds them.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

absl::Status ClaimSocket(const Address& address, std::optional<SocketClaim>* claim) {
  if (!address.is_unix()) return absl::OkStatus();
  if (IsDefaultAddress(address)) {
    const std::string parent = std::filesystem::path(address.socket_path).parent_path().string();
    ECF8_RETURN_IF_ERROR(CheckPrivateDirectory(parent, /*create=*/true));
  }
  ECF8_ASSIGN_OR_RETURN(SocketClaim taken, SocketClaim::Take(address.socket_path));
  claim->emplace(std::move(taken));
  return absl::OkStatus();
}

// Those of a service manager that are the server's.
struct PassedSockets {
  std::vector<Descriptor> listeners{};
  Descriptor slot_listener{};
};

PassedSockets TakePassed(const Address& address, std::vector<Descriptor> passed) {
  PassedSockets taken{.listeners = TakeListeners(address, &passed)};
  if (address.is_unix()) {
    const Address slots{.socket_path = SlotSocketPath(address.socket_path)};
    std::vector<Descriptor> listeners = TakeListeners(slots, &passed);
    if (!listeners.empty()) taken.slot_listener = std::move(listeners.front());
  }
  if (!passed.empty()) {
    spdlog::warn("{} sockets that were passed are not where this daemon listens: not used",
                 passed.size());
  }
  return taken;
}

void LogResident(const CompressedModel& model, const absl::StatusOr<PreloadProgress>& progress) {
  if (progress.ok()) {
    // Each session that opens it looks.
    spdlog::log(progress->bytes_loaded > 0 ? spdlog::level::info : spdlog::level::debug,
                "resident {}: {} of {} units are in slots, {} bytes loaded", Quoted(model.name()),
                progress->units - progress->units_not_kept, progress->units,
                progress->bytes_loaded);
  } else {
    spdlog::warn("resident {}: {}", Quoted(model.name()),
                 progress.status().ToString(absl::StatusToStringMode::kWithNoExtraData));
  }
}

// Returns when a task of the pool has run.
void WaitForPool(WorkerPool& pool) {
  const auto turn = std::make_shared<std::promise<void>>();
  if (pool.TrySubmit([turn] { turn->set_value(); })) turn->get_future().wait();
}

// Null where nothing is kept.
absl::StatusOr<std::unique_ptr<HeatKeeper>> KeepHeat(Engine& engine, const std::string& directory) {
  if (directory.empty()) return nullptr;
  HeatKeeperOptions options{.directory = directory};
  options.on_problem = [](const absl::Status& problem) {
    spdlog::warn("what is learned of experts: {}", std::string(problem.message()));
  };
  ECF8_ASSIGN_OR_RETURN(auto keeper, HeatKeeper::Start(engine, std::move(options)));
  spdlog::info("what is learned of experts is kept in {}", directory);
  return keeper;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const OpenedModels& models,
                                                      const ServerOptions& options,
                                                      std::vector<Descriptor> passed) {
  ECF8_RETURN_IF_ERROR(CheckDescriptorsForGrpc());
  KeepGrpc();
  PassedSockets sockets = TakePassed(options.address, std::move(passed));
  std::optional<SocketClaim> claim;
  if (sockets.listeners.empty()) ECF8_RETURN_IF_ERROR(ClaimSocket(options.address, &claim));
  Parts parts{.claim = std::move(claim), .accesses = std::make_unique<AccessLog>()};
  EngineOptions engine_options = options.engine;
  engine_options.observers.push_back(parts.accesses.get());
  ECF8_ASSIGN_OR_RETURN(parts.engine, Engine::Start(engine_options, {}));
  ECF8_ASSIGN_OR_RETURN(parts.heat_keeper, KeepHeat(*parts.engine, options.heat_directory));
  std::unique_ptr<Server> server(new Server(std::move(parts), options));
  if (!options.token_path.empty()) {
    ECF8_RETURN_IF_ERROR(server->access_.RequireTokens(options.token_path));
  }
  ECF8_RETURN_IF_ERROR(server->AddModels(models));
  if (options.watch_models) ECF8_RETURN_IF_ERROR(server->WatchModels());
  ECF8_RETURN_IF_ERROR(server->ServeSlots(std::move(sockets.slot_listener)));
  ECF8_RETURN_IF_ERROR(server->Build());
  ECF8_RETURN_IF_ERROR(server->Listen(std::move(sockets.listeners)));
  return server;
}

// A stream, a resident model, a control call and who waits until the server answers have at most
// one task in the pool, so the queue never fills up.
Server::Server(Parts parts, const ServerOptions& options)
    : address_(options.address),
      socket_group_(options.socket_group),
      socket_users_(options.socket_users),
      limits_(options.limits),
      claim_(std::move(parts.claim)),
      accesses_(std::move(parts.accesses)),
      engine_(std::move(parts.engine)),
      heat_keeper_(std::move(parts.heat_keeper)),
      models_(*engine_, heat_keeper_.get(), options.max_models),
      model_roots_(options.model_roots),
      registry_(options.max_streams),
      file_streams_(options.max_file_streams),
      recorders_(options.max_recorders),
      preloads_(options.max_preloads),
      sessions_(options.max_sessions),
      session_limits_(options.session),
      max_sessions_(options.max_sessions),
      call_observer_(options.call_observer),
      tls_(options.tls),
      tickets_(options.session_uid.value_or(geteuid())),
      residents_(*engine_, pool_, LogResident),
      pool_(options.threads, options.max_streams + options.max_preloads + options.max_sessions +
                                 options.max_models + ControlService::kMaxCalls + 1),
      file_pool_(kFileThreads, options.max_file_streams),
      service_(access_, models_, *engine_, *accesses_, pool_, registry_, recorders_,
               {.pool = file_pool_, .registry = file_streams_},
               {.engine = *engine_,
                .models = models_,
                .tickets = tickets_,
                .links = slot_links_,
                .residents = residents_,
                .pool = pool_,
                .limits = session_limits_,
                .registry = sessions_}),
      model_service_(access_, models_, model_roots_),
      control_(access_, models_, *engine_, pool_, preloads_, options.preload_bytes_per_second) {}

Server::~Server() {
  if (server_ != nullptr) Drain(std::chrono::milliseconds(0), nullptr);
}

absl::Status Server::AddModels(const OpenedModels& models) {
  for (const auto& model : models) ECF8_RETURN_IF_ERROR(models_.Add(model));
  if (heat_keeper_ != nullptr) {
    spdlog::info("of what was learned of experts, {} files were read", heat_keeper_->files_read());
  }
  return absl::OkStatus();
}

absl::Status Server::WatchModels() {
  WatchNews news;
  news.on_added = [](const CompressedModel& model) {
    spdlog::info("model {}: {} units, digest {}, found in {}", Quoted(model.name()),
                 model.unit_count(), model.digest(), model.directory());
  };
  news.on_removed = [](std::string_view name) {
    spdlog::info("model {} is gone, or damaged, and served no more", Quoted(name));
  };
  news.on_problem = [](const absl::Status& problem) {
    spdlog::warn("{}", std::string(problem.message()));
  };
  ECF8_ASSIGN_OR_RETURN(auto events, OpenDirectoryEvents());
  ECF8_ASSIGN_OR_RETURN(
      watcher_, ModelWatcher::Start(model_roots_, models_, std::move(events), std::move(news)));
  return absl::OkStatus();
}

absl::Status Server::ServeSlots(Descriptor passed) {
  SharedSlots slots = engine_->shared_slots();
  const bool slots_follow = engine_->gives_runs();
  if (!address_.is_unix() || !(slots.can_be_mapped() || slots_follow)) return absl::OkStatus();
  if (slots_follow) {
    ECF8_RETURN_IF_ERROR(no_slots_.Make("ecf8-no-slots", 0));
    slots.slot_fd = slots.generation_fd = no_slots_.fd();
  }
  const std::string path = SlotSocketPath(address_.socket_path);
  if (!ParseAddress("unix:" + path).ok()) {
    spdlog::warn("no sessions: {} is too long for a socket", path);
    return absl::OkStatus();
  }
  ECF8_ASSIGN_OR_RETURN(
      slot_socket_,
      SlotSocket::Start({.path = path,
                         .group = socket_group_,
                         .slots = slots,
                         .slots_follow = slots_follow,
                         .max_connections = max_sessions_ + kSpareConnections,
                         .max_step_bytes = static_cast<size_t>(limits_.max_request_bytes),
                         .on_tick = [this] { sessions_.TickAll(); }},
                        tickets_, slot_links_, std::move(passed)));
  return absl::OkStatus();
}

absl::Status Server::Build() {
  using grpc::ServerBuilder;
  EnableHealthAndReflection();
  ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(limits_.max_request_bytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(limits_.handshake_timeout.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             static_cast<int>(limits_.idle_timeout.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits_.connection_streams);
  // No table of headers: a byte could stand for 4 KiB of it, and gRPC keeps what it has unpacked
  // until it finds the headers too large, outside of the quota.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_DECODER, 0);
  builder.SetResourceQuota(grpc::ResourceQuota("ecf8").Resize(limits_.transport_bytes));
  builder.RegisterService(&service_);
  if (call_observer_ != nullptr) {
    builder.experimental().SetInterceptorCreators(CallInterceptors(*call_observer_));
  }
  builder.RegisterService(&model_service_);
  builder.RegisterService(&control_);
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (tls_.enabled()) {
    ECF8_ASSIGN_OR_RETURN(credentials, MakeServerCredentials(tls_));
  }
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC's server does not start");
  self_check_ = std::make_unique<SelfCheck>(*server_);
  return absl::OkStatus();
}

absl::Status Server::Listen(std::vector<Descriptor> passed) {
  std::vector<Descriptor> sockets = std::move(passed);
  is_passed_ = !sockets.empty();
  if (!is_passed_ && address_.is_unix()) {
    ECF8_ASSIGN_OR_RETURN(Descriptor socket, ListenOnUnix(address_.socket_path, socket_group_));
    sockets.push_back(std::move(socket));
  } else if (!is_passed_) {
    ECF8_ASSIGN_OR_RETURN(sockets, ListenOnTcp(&address_));
  }
  ListenerOptions options{.limits = limits_.connections, .users = socket_users_};
  options.hand_over = [this](int listener_fd, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  };
  options.guard = std::make_unique<ConnectionGuard>(
      limits_.heap_bytes, [this](const ucred& peer) { return slot_links_.HasPeer(peer); });
  ECF8_ASSIGN_OR_RETURN(listener_, Listener::Start(std::move(sockets), std::move(options)));
  models_.SetListener([health = Health(server_.get())](std::string_view name, bool is_served) {
    health.SetModel(name, is_served);
  });
  Health(server_.get()).SetReady(true);
  return absl::OkStatus();
}

void Server::WaitUntilAnswering() {
  listener_->WaitForLoop();
  self_check_->WaitForAnswer();
  WaitForPool(pool_);
  engine_->WaitForLoop();
}

bool Server::Drain(std::chrono::milliseconds timeout, const std::function<bool()>& hurry) {
  watcher_.reset();
  models_.Close();
  registry_.BeginDrain();
  file_streams_.BeginDrain();
  recorders_.BeginDrain();
  preloads_.BeginDrain();
  sessions_.BeginDrain();
  residents_.Stop();
  models_.SetListener(nullptr);
  const Health health(server_.get());
  for (const ServedModel& model : models_.models()) health.SetModel(model->model()->name(), false);
  health.SetReady(false);
  if (claim_) claim_->HideSocket();
  if (is_passed_ && listener_ != nullptr) listener_->Stop();  // who comes now is the next daemon's
  if (slot_socket_ != nullptr) slot_socket_->Hide();
  const bool had_streams = registry_.size() + file_streams_.size() + recorders_.size() +
                               preloads_.size() + sessions_.size() >
                           0;
  preloads_.AbortAll(ShuttingDownError());  // for a memory that will be gone
  const Clock::time_point end = Clock::now() + timeout;
  bool waited_out = false;
  while (!waited_out && Clock::now() < end && !(hurry && hurry())) {
    const Clock::time_point until = std::min(end, Clock::now() + kHurryInterval);
    waited_out =
        registry_.WaitIdle(until) && file_streams_.WaitIdle(until) && sessions_.WaitIdle(until);
  }
  bool idle = true;
  for (StreamRegistry* const streams : {&registry_, &file_streams_, &preloads_, &sessions_}) {
    if (streams->WaitIdle(Clock::now())) continue;
    idle = false;
    streams->AbortAll(ShuttingDownError());
    streams->WaitIdle(Clock::now() + kGrace);
  }
  // Those who record see all streams to their ends, and do not keep the daemon.
  recorders_.AbortAll(ShuttingDownError());
  recorders_.WaitIdle(Clock::now() + kGrace);
  if (had_streams) std::this_thread::sleep_for(kLinger);
  if (listener_ != nullptr) listener_->Stop();
  self_check_->End();
  // Streams that are left, whose clients do not read, lose their connections here: a stream that is
  // cancelled would be CANCELLED to its client, as if that had wanted it.
  server_->Shutdown(ToGrpcDeadline(Clock::now() + kGrace));
  server_.reset();
  slot_socket_.reset();
  heat_keeper_.reset();  // writes
  claim_.reset();
  return idle;
}

}  // namespace ecf8
