#include "rpc/session_client.h"

#include <algorithm>
#include <string>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cuda/find_gpu.h"
#include "loader/cuda/stream_wait.h"
#include "loader/memory/slot_space.h"
#include "rpc/slot_handshake.h"
#include "rpc/slot_session_link.h"
#include "rpc/unit_check.h"

namespace ecf8 {
namespace {

// For what destructors have to say.
constexpr std::chrono::seconds kPartingTime(5);

// Of one message, whose size is bounded.
constexpr size_t kMaxHints = 4096;

CallLimits Parting() { return {.deadline = std::chrono::steady_clock::now() + kPartingTime}; }

absl::Status Unexpected(const std::string& what) {
  return absl::DataLossError("the daemon's session: " + what);
}

// What is left of `limits`, and no more than `most`.
std::chrono::milliseconds TimeLeft(const CallLimits& limits, std::chrono::milliseconds most) {
  const auto now = std::chrono::steady_clock::now();
  if (limits.deadline - now >= most) return most;  // also where there is no deadline
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limits.deadline - now);
  return std::max(left, std::chrono::milliseconds(1));
}

absl::Span<const uint8_t> TensorOf(absl::Span<const uint8_t> unit, const v1::Tensor& tensor,
                                   v1::Form form) {
  if (unit.empty()) return unit;
  return form == v1::FORM_STORED
             ? unit.subspan(tensor.stored_offset_bytes(), tensor.stored_size_bytes())
             : unit.subspan(tensor.decoded_offset_bytes(), tensor.size_bytes());
}

}  // namespace

absl::Status CheckOpened(const SessionClientOptions& options, const v1::SessionOpened& opened) {
  if (options.resident && !opened.resident()) {
    return absl::UnimplementedError("this daemon knows no resident sessions: use a newer one");
  }
  if (options.form == v1::FORM_STORED && opened.form() != v1::FORM_STORED) {
    return absl::UnimplementedError(
        "this daemon's slots hold decoded units alone: use a newer one");
  }
  return absl::OkStatus();
}

namespace {

v1::SessionRequest OpenRequest(const SessionClientOptions& options, const SessionState& state) {
  v1::SessionRequest request;
  v1::OpenSession* const open = request.mutable_open();
  const Ticket& ticket = state.mapping->ticket();
  open->set_ticket(std::string(ticket.begin(), ticket.end()));
  open->set_model(options.model);
  open->set_digest(options.digest.empty() ? state.model.digest() : options.digest);
  open->mutable_schedule()->mutable_units()->Add(options.walk.begin(), options.walk.end());
  open->mutable_schedule()->set_cyclic(options.cyclic);
  open->mutable_schedule()->set_depth(options.depth);
  open->set_slot_bytes(options.slot_bytes);
  open->set_request_id(options.request_id);
  open->set_resident(options.resident);
  open->set_takes_gpu_slots(true);
  open->set_over_slot_socket(true);
  open->set_form(options.form);
  return request;
}

}  // namespace

LeasedSet& LeasedSet::operator=(LeasedSet&& other) noexcept {
  if (this == &other) return *this;
  LeasedSet old;
  std::swap(old.session_, session_);
  old.set_id_ = set_id_;
  session_ = std::move(other.session_);
  set_id_ = other.set_id_;
  units_ = std::move(other.units_);
  places_ = std::move(other.places_);
  return *this;
}

LeasedSet::~LeasedSet() {
  if (session_ == nullptr) return;
  const std::shared_ptr<SessionState> session = session_;
  if (absl::IsDeadlineExceeded(Release(Parting()))) session->mux->Cancel();
}

std::shared_ptr<const SlotMapping> LeasedSet::mapping() const {
  return session_ != nullptr ? session_->mapping : nullptr;
}

absl::Span<const uint8_t> LeasedSet::tensor(size_t i, int tensor) const {
  return TensorOf(unit(i), session_->units[units_[i]].tensors(tensor), session_->form);
}

absl::Span<const uint8_t> LeasedSet::tensor_dev(size_t i, int tensor) const {
  return TensorOf(unit_dev(i), session_->units[units_[i]].tensors(tensor), session_->form);
}

absl::Status LeasedSet::Check() const {
  if (session_ == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    const absl::Span<const SlotGeneration> pages = session_->mapping->generations().subspan(
        place.offset_bytes / kSlotPageBytes,
        SlotSpace::SlotBytes(place.size_bytes) / kSlotPageBytes);
    if (HaveGeneration(pages, place.generation)) continue;
    return absl::DataLossError("the slot of unit " + Quoted(session_->units[units_[i]].id()) +
                               " was given to another while it was leased");
  }
  return absl::OkStatus();
}

absl::Status LeasedSet::ReleaseAfter(void* stream, const CallLimits& limits) {
  if (session_ == nullptr) return absl::OkStatus();
  const std::optional<GpuSlots>& gpu = session_->gpu;
  if (!gpu) return absl::FailedPreconditionError("the session's slots are not a GPU's memory");
  const auto is_over = [&limits] {
    return limits.stop.stop_requested() || std::chrono::steady_clock::now() >= limits.deadline;
  };
  ECF8_ASSIGN_OR_RETURN(
      const bool passed,
      WaitForStream(*gpu->cuda, gpu->device, reinterpret_cast<CudaStream>(stream), is_over));
  return passed ? Release(limits) : LimitReached(limits);
}

absl::Status LeasedSet::Release(const CallLimits& limits) {
  if (session_ == nullptr) return absl::OkStatus();
  const absl::Status checked = Check();
  const absl::Status released = session_->mux->Release(set_id_, limits);
  // Beyond the limits they are leased still.
  if (absl::IsDeadlineExceeded(released) || absl::IsCancelled(released)) return released;
  Forget();
  return checked.ok() ? released : checked;
}

void LeasedSet::Forget() {
  session_.reset();
  places_.clear();
}

absl::StatusOr<std::unique_ptr<SessionClient>> SessionClient::Open(
    WeightClient& client, const Address& address, const SessionClientOptions& options,
    const CallLimits& limits) {
  if (!address.is_unix()) {
    return absl::InvalidArgumentError("sessions are for the daemon's own machine: its Unix socket");
  }
  std::unique_ptr<SessionClient> session(new SessionClient);
  session->state_ = std::make_shared<SessionState>();
  SessionState& state = *session->state_;
  state.form = options.form;
  ECF8_ASSIGN_OR_RETURN(state.model,
                        client.DescribeModel(
                            options.model, /*with_chunks=*/options.form == v1::FORM_STORED,
                            [&state](const v1::Unit& unit) {
                              state.units.push_back(unit);
                              return CheckUnit(unit, state.form);
                            },
                            limits));
  ECF8_ASSIGN_OR_RETURN(state.mapping, SlotMapping::Connect(SlotSocketPath(address.socket_path),
                                                            TimeLeft(limits, options.timeout)));
  ECF8_ASSIGN_OR_RETURN(auto link, MakeSlotSessionLink(client.StartSession(), state.mapping));
  state.mux = std::make_unique<SessionMux>(std::move(link));
  ECF8_ASSIGN_OR_RETURN(session->opened_, state.mux->Open(OpenRequest(options, state), limits));
  ECF8_RETURN_IF_ERROR(CheckOpened(options, session->opened_));
  if (session->opened_.has_gpu_slots()) ECF8_RETURN_IF_ERROR(session->TakeGpuSlots(options));
  return session;
}

absl::Status SessionClient::TakeGpuSlots(const SessionClientOptions& options) {
  GpuSlots gpu{.cuda = options.cuda};
  const std::string& uuid = opened_.gpu_slots().gpu_uuid();
  if (!state_->mapping->slots_follow() || uuid.size() != gpu.uuid.size()) {
    return Unexpected("slots of a GPU that it does not name");
  }
  std::copy(uuid.begin(), uuid.end(), gpu.uuid.begin());
  if (gpu.cuda == nullptr) {
    const absl::StatusOr<CudaMappingCalls*> driver = DriverCuda();
    if (!driver.ok()) return AddContext(driver.status(), "the daemon's slots are a GPU's memory");
    gpu.cuda = *driver;
  }
  ECF8_ASSIGN_OR_RETURN(gpu.device, FindGpu(*gpu.cuda, gpu.uuid));
  ECF8_RETURN_IF_ERROR(state_->mapping->TakeSessionSlots(*gpu.cuda, gpu.device));
  state_->gpu = gpu;
  return absl::OkStatus();
}

SessionClient::~SessionClient() { Close(); }

void SessionClient::Close() {
  if (state_->mux == nullptr) return;
  state_->mux->Close(Parting());
  state_->mapping->Disconnect();
}

absl::StatusOr<LeasedSet> SessionClient::Acquire(const std::vector<uint32_t>& units,
                                                 const CallLimits& limits) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t set_id, StartAcquire(units, limits));
  absl::StatusOr<LeasedSet> set = Wait(set_id, limits);
  GiveUp(set_id);  // where it is still waited for
  return set;
}

absl::StatusOr<uint64_t> SessionClient::StartAcquire(const std::vector<uint32_t>& units,
                                                     const CallLimits& limits) {
  return Start(units, limits, /*release_set_id=*/0);
}

absl::StatusOr<uint64_t> SessionClient::Exchange(LeasedSet& done,
                                                 const std::vector<uint32_t>& units,
                                                 const CallLimits& limits) {
  const bool at_once = done.session_ == state_ && opened_.releases_with_acquire();
  const absl::Status checked = done.Check();
  if (!at_once || !checked.ok()) {
    ECF8_RETURN_IF_ERROR(done.Release(limits));
    return StartAcquire(units, limits);
  }
  ECF8_ASSIGN_OR_RETURN(const uint64_t set_id, Start(units, limits, done.set_id_));
  done.Forget();
  return set_id;
}

absl::StatusOr<uint64_t> SessionClient::Start(const std::vector<uint32_t>& units,
                                              const CallLimits& limits, uint64_t release_set_id) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t set_id,
                        state_->mux->StartSet(units, limits, release_set_id));
  MutexLock lock(mutex_);
  started_[set_id] = units;
  return set_id;
}

absl::StatusOr<LeasedSet> SessionClient::Wait(uint64_t set_id, const CallLimits& limits) {
  const absl::StatusOr<v1::SetReady> ready = state_->mux->WaitForSet(set_id, limits);
  // Beyond the limits it may be waited for again.
  if (absl::IsDeadlineExceeded(ready.status()) || absl::IsCancelled(ready.status())) {
    return ready.status();
  }
  std::vector<uint32_t> units;
  {
    MutexLock lock(mutex_);
    const auto started = started_.extract(set_id);
    if (!started.empty()) units = std::move(started.mapped());
  }
  ECF8_RETURN_IF_ERROR(ready.status());
  return Lease(set_id, std::move(units), *ready);
}

void SessionClient::GiveUp(uint64_t set_id) {
  {
    MutexLock lock(mutex_);
    if (started_.erase(set_id) == 0) return;
  }
  if (absl::IsDeadlineExceeded(state_->mux->GiveUp(set_id, Parting()))) Cancel();
}

bool SessionClient::IsWaitedFor(uint64_t set_id) {
  MutexLock lock(mutex_);
  return started_.contains(set_id);
}

absl::StatusOr<LeasedSet> SessionClient::Lease(uint64_t set_id, std::vector<uint32_t> units,
                                               const v1::SetReady& ready) {
  LeasedSet set;
  set.session_ = state_;
  set.set_id_ = set_id;
  set.units_ = std::move(units);
  if (static_cast<size_t>(ready.slots_size()) != set.units_.size()) {
    return Unexpected("another number of slots than of units");
  }
  const SlotMapping& mapping = *state_->mapping;
  const uint64_t slot_bytes = state_->gpu ? mapping.slots_dev().size() : mapping.slots().size();
  for (size_t i = 0; i < set.units_.size(); ++i) {
    const v1::UnitSlot& slot = ready.slots(static_cast<int>(i));
    if (slot.size_bytes() != UnitSizeBytes(state_->units[set.units_[i]], state_->form) ||
        slot.offset_bytes() % kSlotPageBytes != 0 || slot.offset_bytes() > slot_bytes ||
        slot.size_bytes() > slot_bytes - slot.offset_bytes()) {
      return Unexpected("a slot that cannot be the unit's");
    }
    set.places_.push_back({slot.offset_bytes(), slot.size_bytes(), slot.generation()});
  }
  ECF8_RETURN_IF_ERROR(set.Check());
  return set;
}

absl::Status SessionClient::Hint(const std::vector<uint32_t>& units, const CallLimits& limits) {
  for (size_t begin = 0; begin < units.size(); begin += kMaxHints) {
    const size_t end = std::min(begin + kMaxHints, units.size());
    v1::SessionRequest request;
    request.mutable_hint()->mutable_units()->Add(units.begin() + static_cast<ptrdiff_t>(begin),
                                                 units.begin() + static_cast<ptrdiff_t>(end));
    ECF8_RETURN_IF_ERROR(state_->mux->Send(request, limits));
  }
  return absl::OkStatus();
}

absl::Status SessionClient::Skip(uint32_t count, const CallLimits& limits) {
  v1::SessionRequest request;
  request.mutable_skip()->set_count(count);
  return state_->mux->Send(request, limits);
}

}  // namespace ecf8
