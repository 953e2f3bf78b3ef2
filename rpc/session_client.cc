#include "rpc/session_client.h"

#include <string>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/memory/slot_space.h"
#include "rpc/error_status.h"
#include "rpc/slot_handshake.h"

namespace ecf8 {
namespace {

absl::Status Unexpected(const std::string& what) {
  return absl::DataLossError("the daemon's session: " + what);
}

}  // namespace

LeasedSet::LeasedSet(LeasedSet&& other) noexcept { *this = std::move(other); }

LeasedSet& LeasedSet::operator=(LeasedSet&& other) noexcept {
  if (this == &other) return *this;
  Release().IgnoreError();
  session_ = std::exchange(other.session_, nullptr);
  set_id_ = other.set_id_;
  units_ = std::move(other.units_);
  bytes_ = std::move(other.bytes_);
  generations_ = std::move(other.generations_);
  return *this;
}

LeasedSet::~LeasedSet() { Release().IgnoreError(); }

absl::Span<const uint8_t> LeasedSet::tensor(size_t i, int tensor) const {
  const v1::Tensor& described = session_->units()[units_[i]].tensors(tensor);
  return bytes_[i].subspan(described.decoded_offset_bytes(), described.size_bytes());
}

absl::Status LeasedSet::Check() const {
  if (session_ == nullptr) return absl::OkStatus();
  const uint8_t* const base = session_->mapping_->slots().data();
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (bytes_[i].empty()) continue;
    const auto first = static_cast<uint64_t>(bytes_[i].data() - base) / kSlotPageBytes;
    const uint64_t count = SlotSpace::SlotBytes(bytes_[i].size()) / kSlotPageBytes;
    if (HaveGeneration(session_->mapping_->generations().subspan(first, count), generations_[i])) {
      continue;
    }
    return absl::DataLossError("the slot of unit " + Quoted(session_->units()[units_[i]].id()) +
                               " was given to another while it was leased");
  }
  return absl::OkStatus();
}

absl::Status LeasedSet::Release() {
  if (session_ == nullptr) return absl::OkStatus();
  const absl::Status checked = Check();
  const absl::Status released = std::exchange(session_, nullptr)->Release(set_id_);
  bytes_.clear();
  return checked.ok() ? released : checked;
}

absl::StatusOr<std::unique_ptr<SessionClient>> SessionClient::Open(
    WeightClient& client, const Address& address, const SessionClientOptions& options) {
  if (!address.is_unix()) {
    return absl::InvalidArgumentError("sessions are for the daemon's own machine: its Unix socket");
  }
  std::unique_ptr<SessionClient> session(new SessionClient);
  ECF8_ASSIGN_OR_RETURN(session->model_, client.DescribeModel(options.model, /*with_chunks=*/false,
                                                              [&session](const v1::Unit& unit) {
                                                                session->units_.push_back(unit);
                                                                return absl::OkStatus();
                                                              }));
  ECF8_ASSIGN_OR_RETURN(session->mapping_,
                        SlotMapping::Connect(SlotSocketPath(address.socket_path), options.timeout));
  v1::SessionRequest request;
  v1::OpenSession* const open = request.mutable_open();
  const Ticket& ticket = session->mapping_->ticket();
  open->set_ticket(std::string(ticket.begin(), ticket.end()));
  open->set_model(options.model);
  open->set_digest(options.digest.empty() ? session->model_.digest() : options.digest);
  open->mutable_schedule()->mutable_units()->Add(options.walk.begin(), options.walk.end());
  open->mutable_schedule()->set_cyclic(options.cyclic);
  open->mutable_schedule()->set_depth(options.depth);
  open->set_slot_bytes(options.slot_bytes);
  open->set_request_id(options.request_id);
  open->set_resident(options.resident);
  session->stream_ = client.StartSession(&session->context_);
  v1::SessionResponse response;
  ECF8_RETURN_IF_ERROR(session->Write(request));
  ECF8_RETURN_IF_ERROR(session->Read(&response));
  if (!response.has_opened()) return Unexpected("it was not opened");
  session->opened_ = response.opened();
  if (options.resident && !session->opened_.resident()) {
    return absl::UnimplementedError("this daemon knows no resident sessions: use a newer one");
  }
  return session;
}

SessionClient::~SessionClient() {
  if (stream_ == nullptr || !ended_.ok()) return;
  // An orderly end: what is said last is heard, and the daemon has given all back when this
  // returns.
  stream_->WritesDone();
  v1::SessionResponse response;
  while (stream_->Read(&response)) {
  }
  stream_->Finish();
}

absl::Status SessionClient::EndOfStream() {
  if (!ended_.ok()) return ended_;
  v1::SessionResponse ignored;
  while (stream_->Read(&ignored)) {
  }
  ended_ = FromGrpcStatus(stream_->Finish());
  if (ended_.ok()) ended_ = absl::UnavailableError("the daemon has ended the session");
  return ended_;
}

absl::Status SessionClient::Write(const v1::SessionRequest& request) {
  if (!ended_.ok()) return ended_;
  return stream_->Write(request) ? absl::OkStatus() : EndOfStream();
}

absl::Status SessionClient::Read(v1::SessionResponse* response) {
  if (!ended_.ok()) return ended_;
  return stream_->Read(response) ? absl::OkStatus() : EndOfStream();
}

absl::StatusOr<LeasedSet> SessionClient::Acquire(const std::vector<uint32_t>& units,
                                                 std::chrono::milliseconds timeout) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t set_id, StartAcquire(units, timeout));
  return Wait(set_id);
}

absl::StatusOr<uint64_t> SessionClient::StartAcquire(const std::vector<uint32_t>& units,
                                                     std::chrono::milliseconds timeout) {
  const uint64_t set_id = ++last_set_id_;
  v1::SessionRequest request;
  request.mutable_acquire()->set_set_id(set_id);
  request.mutable_acquire()->mutable_units()->Add(units.begin(), units.end());
  request.mutable_acquire()->set_timeout_ms(static_cast<uint32_t>(timeout.count()));
  ECF8_RETURN_IF_ERROR(Write(request));
  started_[set_id] = units;
  return set_id;
}

absl::StatusOr<LeasedSet> SessionClient::Wait(uint64_t set_id) {
  if (!started_.contains(set_id)) {
    return absl::InvalidArgumentError("set " + std::to_string(set_id) + " is not waited for");
  }
  while (!responses_.contains(set_id)) {
    v1::SessionResponse response;
    ECF8_RETURN_IF_ERROR(Read(&response));
    ECF8_RETURN_IF_ERROR(Keep(response));
  }
  return Lease(set_id, responses_.extract(set_id).mapped());
}

absl::Status SessionClient::Keep(const v1::SessionResponse& response) {
  const uint64_t set_id =
      response.has_ready() ? response.ready().set_id() : response.failed().set_id();
  if (!started_.contains(set_id) || !responses_.emplace(set_id, response).second) {
    return Unexpected("an answer that nobody asked for");
  }
  return absl::OkStatus();
}

absl::StatusOr<LeasedSet> SessionClient::Lease(uint64_t set_id,
                                               const v1::SessionResponse& response) {
  LeasedSet set;
  set.units_ = started_.extract(set_id).mapped();
  if (response.has_failed()) {
    const v1::RpcStatus& status = response.failed().status();
    const absl::Status failure =
        FromGrpcStatus(grpc::Status(static_cast<grpc::StatusCode>(status.code()), status.message(),
                                    status.SerializeAsString()));
    return failure.ok() ? Unexpected("a set has failed without a reason") : failure;
  }
  const v1::SetReady& ready = response.ready();
  if (static_cast<size_t>(ready.slots_size()) != set.units_.size()) {
    return Unexpected("another number of slots than of units");
  }
  const absl::Span<const uint8_t> slots = mapping_->slots();
  for (size_t i = 0; i < set.units_.size(); ++i) {
    const v1::UnitSlot& slot = ready.slots(static_cast<int>(i));
    if (slot.size_bytes() != units_[set.units_[i]].decoded_size_bytes() ||
        slot.offset_bytes() % kSlotPageBytes != 0 || slot.offset_bytes() > slots.size() ||
        slot.size_bytes() > slots.size() - slot.offset_bytes()) {
      return Unexpected("a slot that cannot be the unit's");
    }
    set.bytes_.push_back(slots.subspan(slot.offset_bytes(), slot.size_bytes()));
    set.generations_.push_back(slot.generation());
  }
  set.session_ = this;
  set.set_id_ = set_id;
  ECF8_RETURN_IF_ERROR(set.Check());
  return set;
}

absl::Status SessionClient::Release(uint64_t set_id) {
  v1::SessionRequest request;
  request.mutable_release()->set_set_id(set_id);
  return Write(request);
}

absl::Status SessionClient::CancelAcquire(uint64_t set_id) {
  v1::SessionRequest request;
  request.mutable_cancel()->set_set_id(set_id);
  return Write(request);
}

absl::Status SessionClient::Hint(const std::vector<uint32_t>& units) {
  v1::SessionRequest request;
  request.mutable_hint()->mutable_units()->Add(units.begin(), units.end());
  return Write(request);
}

absl::Status SessionClient::Skip(uint32_t count) {
  v1::SessionRequest request;
  request.mutable_skip()->set_count(count);
  return Write(request);
}

absl::Status SessionClient::Ping() {
  v1::SessionRequest request;
  request.mutable_ping();
  ECF8_RETURN_IF_ERROR(Write(request));
  while (true) {
    v1::SessionResponse response;
    ECF8_RETURN_IF_ERROR(Read(&response));
    if (response.has_pong()) return absl::OkStatus();
    ECF8_RETURN_IF_ERROR(Keep(response));
  }
}

}  // namespace ecf8
