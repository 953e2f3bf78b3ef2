#include "ecf8/session.h"

#include <utility>

#include "decoder/status_macros.h"
#include "ecf8/client.h"
#include "loader/base/mutex.h"
#include "rpc/public/client_state.h"
#include "rpc/public/convert.h"
#include "rpc/session_client.h"

namespace ecf8 {
namespace {

absl::Status NothingAwaited() {
  return absl::InvalidArgumentError("nothing is waited for: it has come, failed, or never begun");
}

}  // namespace

struct ECF8_HIDDEN Lease::State {
  LeasedSet set;
  std::shared_ptr<const ModelDescription> model;
};

Lease::Lease() = default;
Lease::Lease(std::unique_ptr<State> state) : state_(std::move(state)) {}
Lease::Lease(Lease&& other) noexcept = default;
Lease& Lease::operator=(Lease&& other) noexcept = default;
Lease::~Lease() = default;

size_t Lease::size() const { return state_ != nullptr ? state_->set.size() : 0; }

const UnitInfo& Lease::unit(size_t i) const {
  return state_->model->units[state_->set.unit_index(i)];
}

absl::Span<const uint8_t> Lease::bytes(size_t i) const { return state_->set.unit(i); }

absl::Span<const uint8_t> Lease::bytes_dev(size_t i) const { return state_->set.unit_dev(i); }

namespace {

// `bytes_of`: bytes or bytes_dev, in `form`.
absl::Span<const uint8_t> FindTensor(const Lease& lease, std::string_view name, v1::Form form,
                                     absl::Span<const uint8_t> (Lease::*bytes_of)(size_t) const) {
  for (size_t i = 0; i < lease.size(); ++i) {
    const TensorInfo* const found = lease.unit(i).FindTensor(name);
    if (found == nullptr) continue;
    const absl::Span<const uint8_t> bytes = (lease.*bytes_of)(i);
    if (bytes.empty()) return bytes;
    return form == v1::FORM_STORED
               ? bytes.subspan(found->stored_offset_bytes, found->stored_size_bytes)
               : bytes.subspan(found->decoded_offset_bytes, found->size_bytes);
  }
  return {};
}

}  // namespace

absl::Span<const uint8_t> Lease::tensor(std::string_view name) const {
  if (state_ == nullptr) return {};
  return FindTensor(*this, name, state_->set.form(), &Lease::bytes);
}

absl::Span<const uint8_t> Lease::tensor_dev(std::string_view name) const {
  if (state_ == nullptr) return {};
  return FindTensor(*this, name, state_->set.form(), &Lease::bytes_dev);
}

std::shared_ptr<const void> Lease::mapping() const {
  return state_ != nullptr ? state_->set.mapping() : nullptr;
}

absl::Status Lease::Check() const {
  return state_ != nullptr ? state_->set.Check() : absl::OkStatus();
}

absl::Status Lease::Release(const CallOptions& options) {
  if (state_ == nullptr) return absl::OkStatus();
  const absl::Status released = state_->set.Release(ToLimits(options));
  if (!state_->set.leased()) state_.reset();
  return released;
}

absl::Status Lease::ReleaseAfter(void* stream, const CallOptions& options) {
  if (state_ == nullptr) return absl::OkStatus();
  const absl::Status released = state_->set.ReleaseAfter(stream, ToLimits(options));
  if (!state_->set.leased()) state_.reset();
  return released;
}

struct ECF8_HIDDEN PendingLease::State {
  std::shared_ptr<SessionClient> client;
  std::shared_ptr<const ModelDescription> model;
  uint64_t set_id = 0;

  ~State() { client->GiveUp(set_id); }
};

PendingLease::PendingLease() = default;
PendingLease::PendingLease(std::unique_ptr<State> state) : state_(std::move(state)) {}
PendingLease::PendingLease(PendingLease&& other) noexcept = default;
PendingLease& PendingLease::operator=(PendingLease&& other) noexcept = default;
PendingLease::~PendingLease() = default;

absl::StatusOr<Lease> PendingLease::Wait(const CallOptions& options) {
  if (state_ == nullptr) return NothingAwaited();
  absl::StatusOr<LeasedSet> set = state_->client->Wait(state_->set_id, ToLimits(options));
  if (!set.ok() && state_->client->IsWaitedFor(state_->set_id)) return set.status();
  const std::unique_ptr<State> ended = std::move(state_);
  ECF8_RETURN_IF_ERROR(set.status());
  return Lease(std::unique_ptr<Lease::State>(new Lease::State{*std::move(set), ended->model}));
}

struct ECF8_HIDDEN ClientSession::State {
  std::shared_ptr<Client::State> client;
  SessionOptions options;                         // with the digest, once it is known
  std::shared_ptr<const ModelDescription> model;  // from then on

  Mutex opening;  // held by the one thread that opens it
  Mutex mutex;
  std::shared_ptr<SessionClient> session ABSL_GUARDED_BY(mutex);  // the last that was opened

  ~State() {
    // Sets that are waited for keep it in memory, not open.
    if (const auto last = current()) last->Close();
  }

  std::shared_ptr<SessionClient> current() {
    MutexLock lock(mutex);
    return session;
  }

  absl::Status Open(const CallLimits& limits);
  PendingLease Pending(std::shared_ptr<SessionClient> of, uint64_t set_id) const;
  // What a session that was just opened is about, the first time; then whether it is still that.
  absl::Status Learn(const SessionClient& opened);
};

absl::Status ClientSession::State::Learn(const SessionClient& opened) {
  if (model == nullptr) {
    model = std::make_shared<const ModelDescription>(ToDescription(opened.model(), opened.units()));
    options.digest = model->model.digest;
    return absl::OkStatus();
  }
  bool same = opened.units().size() == model->units.size();
  for (size_t i = 0; same && i < model->units.size(); ++i) {
    same = opened.units()[i].decoded_size_bytes() == model->units[i].decoded_size_bytes &&
           opened.units()[i].stored_size_bytes() == model->units[i].stored_size_bytes;
  }
  if (same) return absl::OkStatus();
  return absl::DataLossError("the daemon describes other units under the same digest");
}

absl::Status ClientSession::State::Open(const CallLimits& limits) {
  MutexLock only_one(opening);
  if (const auto last = current()) {
    if (last->status().ok()) return absl::OkStatus();
    last->Close();
  }
  const SessionClientOptions session_options{.model = options.model,
                                             .digest = options.digest,
                                             .walk = options.walk,
                                             .cyclic = options.cyclic,
                                             .depth = options.depth,
                                             .slot_bytes = options.slot_bytes,
                                             .resident = options.resident,
                                             .form = ToProto(options.form),
                                             .request_id = options.request_id};
  std::unique_ptr<SessionClient> opened;
  ECF8_RETURN_IF_ERROR(client->Call(limits, [&]() -> absl::Status {
    ECF8_ASSIGN_OR_RETURN(
        opened, SessionClient::Open(*client->client, client->address, session_options, limits));
    return absl::OkStatus();
  }));
  ECF8_RETURN_IF_ERROR(Learn(*opened));
  MutexLock lock(mutex);
  session = std::move(opened);
  return absl::OkStatus();
}

PendingLease ClientSession::State::Pending(std::shared_ptr<SessionClient> of,
                                           uint64_t set_id) const {
  auto pending = std::make_unique<PendingLease::State>();
  pending->client = std::move(of);
  pending->model = model;
  pending->set_id = set_id;
  return PendingLease(std::move(pending));
}

absl::StatusOr<ClientSession> Client::OpenSession(const SessionOptions& session,
                                                  const CallOptions& options) const {
  auto state = std::make_unique<ClientSession::State>();
  state->client = state_;
  state->options = session;
  ECF8_RETURN_IF_ERROR(state->Open(ToLimits(options)));
  return ClientSession(std::move(state));
}

ClientSession::ClientSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClientSession::ClientSession(ClientSession&& other) noexcept = default;
ClientSession& ClientSession::operator=(ClientSession&& other) noexcept = default;
ClientSession::~ClientSession() = default;

absl::StatusOr<Lease> ClientSession::Acquire(absl::Span<const uint32_t> units,
                                             const CallOptions& options) {
  const auto client = state_->current();
  ECF8_ASSIGN_OR_RETURN(LeasedSet set,
                        client->Acquire({units.begin(), units.end()}, ToLimits(options)));
  return Lease(std::unique_ptr<Lease::State>(new Lease::State{std::move(set), state_->model}));
}

absl::StatusOr<PendingLease> ClientSession::StartAcquire(absl::Span<const uint32_t> units,
                                                         const CallOptions& options) {
  auto client = state_->current();
  ECF8_ASSIGN_OR_RETURN(const uint64_t set_id,
                        client->StartAcquire({units.begin(), units.end()}, ToLimits(options)));
  return state_->Pending(std::move(client), set_id);
}

absl::StatusOr<PendingLease> ClientSession::Exchange(Lease& done, absl::Span<const uint32_t> units,
                                                     const CallOptions& options) {
  if (done.state_ == nullptr) return StartAcquire(units, options);
  auto client = state_->current();
  const absl::StatusOr<uint64_t> set_id =
      client->Exchange(done.state_->set, {units.begin(), units.end()}, ToLimits(options));
  if (!done.state_->set.leased()) done.state_.reset();
  ECF8_RETURN_IF_ERROR(set_id.status());
  return state_->Pending(std::move(client), *set_id);
}

absl::Status ClientSession::Hint(absl::Span<const uint32_t> units, const CallOptions& options) {
  return state_->current()->Hint({units.begin(), units.end()}, ToLimits(options));
}

absl::Status ClientSession::Skip(uint32_t count, const CallOptions& options) {
  return state_->current()->Skip(count, ToLimits(options));
}

absl::Status ClientSession::Ping(const CallOptions& options) {
  return state_->current()->Ping(ToLimits(options));
}

absl::Status ClientSession::status() const { return state_->current()->status(); }

void ClientSession::Cancel() { state_->current()->Cancel(); }

absl::Status ClientSession::Reopen(const CallOptions& options) {
  return state_->Open(ToLimits(options));
}

const ModelDescription& ClientSession::model() const { return *state_->model; }

uint64_t ClientSession::slot_bytes() const { return state_->current()->slot_bytes(); }

std::optional<SessionGpu> ClientSession::gpu() const {
  const std::optional<GpuSlots> slots = state_->current()->gpu();
  if (!slots) return std::nullopt;
  return SessionGpu{.device = slots->device, .uuid = slots->uuid};
}

}  // namespace ecf8
