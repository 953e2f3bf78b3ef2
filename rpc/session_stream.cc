#include "rpc/session_stream.h"

#include <utility>
#include <vector>

#include "decoder/status_macros.h"
#include "grpcpp/server_context.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "loader/serve/queue_full.h"
#include "rpc/error_status.h"
#include "rpc/request_checks.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

// For the first message.
constexpr std::chrono::seconds kPatience(10);

absl::Status ConnectionClosed() {
  return WithErrorInfo(absl::AbortedError("the session's connection to the slot socket is closed"),
                       {.reason = ErrorReason::kBadRequest});
}

absl::Status NeedsNewerClient() {
  return WithErrorInfo(
      absl::UnimplementedError(
          "this daemon's slots are a GPU's memory, which a newer client can map: fetch instead"),
      {.reason = ErrorReason::kBadRequest});
}

// What the slots are to hold.
absl::StatusOr<UnitForm> FormOf(v1::Form form) {
  switch (form) {
    case v1::FORM_UNSPECIFIED:
    case v1::FORM_DECODED:
      return UnitForm::kDecoded;
    case v1::FORM_STORED:
      return UnitForm::kStoredInSlot;
    default:
      return WithErrorInfo(
          absl::UnimplementedError("this daemon knows no form " + std::to_string(form)),
          {.reason = ErrorReason::kBadRequest});
  }
}

void FillOutcome(const SetOutcome& outcome, v1::SessionResponse* response) {
  if (!outcome.status.ok()) {
    v1::SetFailed* const failed = response->mutable_failed();
    failed->set_set_id(outcome.set_id);
    const grpc::Status status = ToGrpcStatus(outcome.status, "");
    // Our own bytes, so that they parse.
    failed->mutable_status()->ParseFromString(status.error_details());
    return;
  }
  v1::SetReady* const ready = response->mutable_ready();
  ready->set_set_id(outcome.set_id);
  for (const SlotView& slot : outcome.slots) {
    v1::UnitSlot* const out = ready->add_slots();
    out->set_offset_bytes(slot.offset_bytes);
    out->set_size_bytes(slot.size_bytes);
    out->set_generation(slot.generation);
  }
}

}  // namespace

SessionStream::SessionStream(const grpc::ServerContextBase& context, const SessionParts& parts)
    : parts_(parts), request_id_(RequestIdOf(context)) {}

void SessionStream::Start() {
  self_ = shared_from_this();
  StartRead(&request_);
}

std::shared_ptr<Session> SessionStream::session() {
  MutexLock lock(mutex_);
  return session_;
}

SessionStream::Actions SessionStream::Decide() {
  Actions actions;
  if (finished_) return actions;
  if (end_) {
    // A read that is started behind the Finish could find the call gone.
    actions.notify = link_;  // which is closed
    if (writing_ || starting_reads_ > 0) return actions;
    finished_ = true;
    actions.finish = end_;
    return actions;
  }
  const bool by_stream = tell_opened_ || !over_slot_socket_;
  if (by_stream && !writing_) {
    response_.Clear();
    writing_ = actions.write = FillResponse(&response_);
  }
  if (over_slot_socket_) actions.notify = link_;
  // With a pong unwritten the client could have us queue more of them.
  if (!pong_) actions.read = std::exchange(read_wanted_, false);
  if (actions.read) ++starting_reads_;
  return actions;
}

void SessionStream::FillOpened(v1::SessionOpened* opened) const {
  opened->set_slot_bytes(session_->granted_bytes());
  opened->set_max_sets(session_->limits().max_sets);
  opened->set_max_units(session_->limits().max_units);
  opened->set_resident(session_->is_resident());
  opened->set_releases_with_acquire(true);
  opened->set_over_slot_socket(over_slot_socket_);
  opened->set_form(session_->form() == UnitForm::kDecoded ? v1::FORM_DECODED : v1::FORM_STORED);
  if (!session_->has_own_slots()) return;
  const auto& uuid = parts_.engine.gpu_uuid();
  opened->mutable_gpu_slots()->set_gpu_uuid(std::string(uuid.begin(), uuid.end()));
}

bool SessionStream::FillResponse(v1::SessionResponse* response) {
  if (session_ == nullptr) return false;
  if (std::exchange(tell_opened_, false)) {
    FillOpened(response->mutable_opened());
    return true;
  }
  if (std::exchange(pong_, false)) {
    response->mutable_pong();
    return true;
  }
  const std::optional<SetOutcome> outcome = session_->TakeOutcome();
  if (outcome) FillOutcome(*outcome, response);
  return outcome.has_value();
}

bool SessionStream::OnStep(std::string_view message) {
  const bool is_read = step_.ParseFromArray(message.data(), static_cast<int>(message.size()));
  const absl::Status status = is_read ? Handle(step_) : BadRequest("a session's message is none");
  if (!status.ok()) End(status);
  return status.ok();
}

bool SessionStream::TakeStep(v1::SessionResponse* response) {
  if (const auto session = std::exchange(told_, nullptr)) session->Continue();
  response->Clear();
  MutexLock lock(mutex_);
  if (end_ || !FillResponse(response)) return false;
  if (!response->has_pong()) told_ = session_;
  return true;
}

void SessionStream::Act(const Actions& actions) {
  if (actions.notify != nullptr) actions.notify->Notify();
  if (actions.write) StartWrite(&response_);
  if (actions.read) {
    StartRead(&request_);
    Actions then;
    {
      MutexLock lock(mutex_);
      --starting_reads_;
      if (end_) then = Decide();
    }
    return Act(then);
  }
  if (!actions.finish) return;
  std::string request_id;
  {
    MutexLock lock(mutex_);
    request_id = request_id_;
  }
  const LoggedRequest request(request_id);
  if (actions.finish->ok() || absl::IsCancelled(*actions.finish)) {
    spdlog::debug("a session ended");
  } else {
    spdlog::info("a session ended: {}",
                 actions.finish->ToString(absl::StatusToStringMode::kWithNoExtraData));
  }
  Finish(ToGrpcStatus(*actions.finish, request_id));
}

void SessionStream::Step() {
  Actions actions;
  {
    MutexLock lock(mutex_);
    actions = Decide();
  }
  Act(actions);
}

void SessionStream::OnReadDone(bool ok) {
  if (!ok) return End(absl::OkStatus());  // the client has said all, or is gone
  const bool opens_later = OpensLater(request_);
  const absl::Status status = Handle(request_);
  if (!status.ok()) return End(status);
  if (!opens_later) ReadOn();
}

bool SessionStream::OpensLater(const v1::SessionRequest& request) const {
  return request.has_open() && (request.open().resident() || parts_.engine.gives_runs());
}

void SessionStream::ReadOn() {
  {
    MutexLock lock(mutex_);
    read_wanted_ = true;
  }
  Step();
}

absl::Status SessionStream::Handle(const v1::SessionRequest& request) {
  const std::shared_ptr<Session> session = this->session();
  if ((session == nullptr) != request.has_open()) {
    return BadRequest("a session is opened by its first message, and by no other");
  }
  switch (request.request_case()) {
    case v1::SessionRequest::kOpen:
      return Open(request.open());
    case v1::SessionRequest::kAcquire: {
      const v1::AcquireSet& set = request.acquire();
      return session->Acquire(
          {.set_id = set.set_id(),
           .units = {set.units().begin(), set.units().end()},
           .timeout = std::chrono::milliseconds(set.timeout_ms()),
           .release_set_ids = {set.release_set_ids().begin(), set.release_set_ids().end()}});
    }
    case v1::SessionRequest::kRelease:
      return session->Release(request.release().set_id());
    case v1::SessionRequest::kCancel:
      session->Cancel(request.cancel().set_id());
      return absl::OkStatus();
    case v1::SessionRequest::kHint: {
      const auto& units = request.hint().units();
      return session->Hint({units.data(), static_cast<size_t>(units.size())});
    }
    case v1::SessionRequest::kSkip:
      session->Skip(request.skip().count());
      return absl::OkStatus();
    case v1::SessionRequest::kPing: {
      MutexLock lock(mutex_);
      pong_ = true;
      return absl::OkStatus();
    }
    case v1::SessionRequest::REQUEST_NOT_SET:
      break;
  }
  return BadRequest("a session's message says nothing that is known here");
}

absl::Status SessionStream::Open(const v1::OpenSession& request) {
  ECF8_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const std::weak_ptr<SessionStream> weak = weak_from_this();
  ECF8_ASSIGN_OR_RETURN(const Ticket ticket, parts_.tickets.Redeem(request.ticket(), [weak] {
    if (const auto self = weak.lock()) self->Abort(ConnectionClosed());
  }));
  {
    MutexLock lock(mutex_);
    if (!request.request_id().empty()) request_id_ = request.request_id();
    ticket_ = ticket;
    link_ = parts_.links.Find(ticket);
    over_slot_socket_ = request.over_slot_socket() && link_ != nullptr;
  }
  ECF8_ASSIGN_OR_RETURN(const UnitForm form, FormOf(request.form()));
  const v1::Schedule& schedule = request.schedule();
  SessionOrder order{.model = request.model(),
                     .digest = request.digest(),
                     .walk = {schedule.units().begin(), schedule.units().end()},
                     .cyclic = schedule.cyclic(),
                     .depth = schedule.depth(),
                     .slot_bytes = request.slot_bytes(),
                     .resident = request.resident(),
                     .form = form};
  ECF8_ASSIGN_OR_RETURN(ServedModel model, CheckOrder(parts_.models, parts_.limits, order));
  if (parts_.engine.gives_runs()) {
    if (!request.takes_gpu_slots()) return NeedsNewerClient();
    return TakeSlotsAndBegin(std::move(order), std::move(model));
  }
  if (order.resident) return PinAndBegin(std::move(order), std::move(model));
  return Begin(order, std::move(model), PinHold());
}

absl::Status SessionStream::Begin(const SessionOrder& order, ServedModel model, PinHold residence) {
  ECF8_ASSIGN_OR_RETURN(const std::shared_ptr<Session> session,
                        OpenSession(parts_.engine, parts_.limits, order, std::move(model),
                                    std::move(residence), [weak = weak_from_this()] {
                                      if (const auto self = weak.lock()) self->Step();
                                    }));
  // Where it has ended meanwhile the session goes with this function.
  if (SetSession(session)) session->Continue();  // with what is to be ready ahead
  return absl::OkStatus();
}

bool SessionStream::SetSession(std::shared_ptr<Session> session) {
  MutexLock lock(mutex_);
  if (end_) return false;
  session_ = std::move(session);
  tell_opened_ = true;
  if (over_slot_socket_) link_->SetSteps(weak_from_this());
  return true;
}

// The engine's loop answers, and a worker goes on: opening asks the engine for units.
absl::Status SessionStream::PinAndBegin(SessionOrder order, ServedModel model) {
  UnitSet set = ResidentSet(*model, order.form);
  return parts_.engine.HoldPins(
      std::move(set), [weak = weak_from_this(), order = std::move(order),
                       model = std::move(model)](absl::StatusOr<PinHold> hold) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        const auto answer = std::make_shared<absl::StatusOr<PinHold>>(std::move(hold));
        const bool taken = self->parts_.pool.TrySubmit(
            [self, order, model, answer] { self->OnPinned(order, model, *answer); });
        if (!taken) self->End(QueueIsFull());
      });
}

void SessionStream::OnPinned(const SessionOrder& order, const ServedModel& model,
                             absl::StatusOr<PinHold>& hold) {
  if (!hold.ok()) return End(hold.status());
  const absl::Status status = Begin(order, model, std::move(*hold));
  if (!status.ok()) return End(status);
  parts_.residents.Load(model, order.form);
  ReadOn();
}

absl::Status SessionStream::TakeSlotsAndBegin(SessionOrder order, ServedModel model) {
  const auto weak = weak_from_this();
  return OpenOwnSession(
      parts_.engine, parts_.limits, std::move(order), std::move(model),
      [weak] {
        if (const auto self = weak.lock()) self->Step();
      },
      [weak](const absl::StatusOr<std::shared_ptr<Session>>& session,
             const std::shared_ptr<OwnSlots>& slots) {
        if (const auto self = weak.lock()) self->OnOwnSession(session, slots);
      });
}

// The client looks for its slots once it has heard that the session is open.
void SessionStream::OnOwnSession(const absl::StatusOr<std::shared_ptr<Session>>& session,
                                 const std::shared_ptr<OwnSlots>& slots) {
  if (!session.ok()) return End(session.status());
  std::shared_ptr<SlotLink> link;
  {
    MutexLock lock(mutex_);
    link = link_;
  }
  const SessionSlots message{.slot_bytes = slots->size_bytes(),
                             .generation_bytes = slots->generations().bytes().size()};
  const Descriptor memory = slots->TakeDescriptor();
  if (link == nullptr || !link->SendSlots(message, memory.get(), slots->generations().fd())) {
    return End(ConnectionClosed());
  }
  if (!SetSession(*session)) return;
  (*session)->Continue();
  ReadOn();
}

// The client is told after the message at hand; its slots are not its own from here on.
void SessionStream::End(const absl::Status& status) {
  std::shared_ptr<Session> session;
  std::optional<Ticket> ticket;
  {
    MutexLock lock(mutex_);
    if (!end_) end_ = status;
    session = session_;
    ticket = std::exchange(ticket_, std::nullopt);
  }
  if (session != nullptr) session->Close();
  if (ticket) parts_.tickets.End(*ticket);
  Step();
}

void SessionStream::Abort(const absl::Status& status) { End(status); }

void SessionStream::Tick() {
  if (const std::shared_ptr<Session> session = this->session()) return session->Tick();
  {
    MutexLock lock(mutex_);
    if (ticket_) return;  // it is being opened, which has limits of its own
  }
  if (std::chrono::steady_clock::now() < started_ + kPatience) return;
  End(WithErrorInfo(absl::DeadlineExceededError("nobody opened the session"),
                    {.reason = ErrorReason::kBadRequest}));
}

void SessionStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    writing_ = false;
  }
  if (!ok) return End(absl::CancelledError("the client is gone"));
  if (const std::shared_ptr<Session> session = this->session()) session->Continue();
  Step();
}

void SessionStream::OnCancel() { End(absl::CancelledError("cancelled by the client")); }

void SessionStream::OnDone() {
  parts_.registry.Remove(this);
  self_.reset();  // may delete this
}

}  // namespace ecf8
