#include "rpc/fetch_stream.h"

#include <utility>

#include "decoder/status_macros.h"
#include "grpcpp/server_context.h"
#include "loader/base/strings.h"
#include "loader/serve/queue_full.h"
#include "rpc/describe.h"
#include "rpc/error_status.h"
#include "rpc/fetch_message.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {

FetchStream::FetchStream(Engine& engine, ReadOrder order, std::string request_id, WorkerPool& pool,
                         std::shared_ptr<MessageBuffers> buffers, StreamRegistry& registry)
    : engine_(engine),
      order_(std::move(order)),
      model_name_(order_.model->model()->name()),
      request_id_(std::move(request_id)),
      pool_(pool),
      buffers_(std::move(buffers)),
      registry_(registry) {}

void FetchStream::Start() {
  self_ = shared_from_this();
  reader_.emplace(engine_, std::move(order_), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Wake();
  });
  Actions actions;
  {
    MutexLock lock(mutex_);
    actions = Decide();
  }
  Act(std::move(actions));
}

FetchStream::Actions FetchStream::Decide() {
  Actions actions;
  if (finished_) return actions;
  if (abort_) {
    // What is prepared but not written is dropped.
    if (preparing_ || writing_) return actions;
    finished_ = true;
    actions.finish = abort_;
    return actions;
  }
  if (ready_ && !writing_) {
    ready_ = false;
    writing_ = true;
    actions.write = &slots_[slot_to_prepare_];
    slot_to_prepare_ ^= 1;
  }
  if (end_) {
    if (ready_ || writing_) return actions;
    finished_ = true;
    actions.finish = end_;
  } else if (!ready_ && !preparing_ && !waiting_) {
    preparing_ = true;
    woken_ = false;
    actions.prepare = true;
  }
  return actions;
}

// Only one thread at a time gets each kind of action, since Decide marks what it hands out; gRPC
// calls back from its own threads, never from within StartWrite or Finish. The next message first:
// a write sends what it can before it returns.
void FetchStream::Act(Actions actions) {
  if (actions.prepare) {
    const bool taken = pool_.TrySubmit([self = shared_from_this()] { self->Prepare(); });
    if (!taken) {
      Actions next;
      {
        MutexLock lock(mutex_);
        preparing_ = false;
        end_ = QueueIsFull();
        next = Decide();
      }
      Act(std::move(next));
    }
  }
  if (actions.write != nullptr) StartWrite(actions.write);
  if (actions.finish) {
    reader_->Stop();  // gRPC may take its time until OnDone
    Log(*actions.finish);
    Finish(ToGrpcStatus(*actions.finish, request_id_));
  }
}

void FetchStream::Prepare() {
  grpc::ByteBuffer* slot = nullptr;
  {
    MutexLock lock(mutex_);
    if (!abort_) slot = &slots_[slot_to_prepare_];
  }
  absl::StatusOr<ReadStep::Kind> filled = ReadStep::Kind::kDone;
  if (slot != nullptr) filled = FillSlot(slot);
  Actions actions;
  {
    MutexLock lock(mutex_);
    Prepared(filled);
    actions = Decide();
  }
  Act(std::move(actions));
}

void FetchStream::Prepared(const absl::StatusOr<ReadStep::Kind>& filled) {
  preparing_ = false;
  if (!filled.ok() || *filled == ReadStep::Kind::kDone) {
    end_ = filled.status();
  } else if (*filled == ReadStep::Kind::kWait) {
    waiting_ = !woken_;
  } else {
    ready_ = true;
  }
}

void FetchStream::Wake() {
  Actions actions;
  {
    MutexLock lock(mutex_);
    woken_ = true;
    if (!std::exchange(waiting_, false)) return;
    actions = Decide();
  }
  Act(std::move(actions));
}

v1::FetchResponse FetchStream::BeginMessage() const {
  const bool stored = reader_->form() == UnitForm::kStored;
  v1::FetchResponse message;
  message.mutable_begin()->set_form(stored ? v1::FORM_STORED : v1::FORM_DECODED);
  FillUnit(reader_->model(), reader_->unit().unit_index, reader_->unit().pieces, stored,
           message.mutable_begin()->mutable_unit());
  return message;
}

absl::StatusOr<ReadStep::Kind> FetchStream::FillSlot(grpc::ByteBuffer* message) {
  MessageBuffers::Buffer buffer = buffers_->Take();
  if (buffer == nullptr) return absl::ResourceExhaustedError("no memory for a message");
  const absl::StatusOr<ReadStep> step = reader_->Next(buffers_->Span(buffer));
  if (step.ok() && step->kind == ReadStep::Kind::kData) {
    data_bytes_ += step->data_size_bytes;
    *message = DataMessage(step->offset_bytes, step->xxh3,
                           buffers_->Lend(std::move(buffer), step->data_size_bytes));
    return step->kind;
  }
  buffers_->Give(std::move(buffer));
  ECF8_RETURN_IF_ERROR(step.status());
  if (step->kind == ReadStep::Kind::kBegin) *message = PlainMessage(BeginMessage());
  if (step->kind == ReadStep::Kind::kEnd) {
    v1::FetchResponse end;
    end.mutable_end()->set_data_size_bytes(step->data_size_bytes);
    *message = PlainMessage(end);
  }
  return step->kind;
}

void FetchStream::Abort(const absl::Status& status) {
  Actions actions;
  {
    MutexLock lock(mutex_);
    if (!abort_) abort_ = status;
    actions = Decide();
  }
  Act(std::move(actions));
}

void FetchStream::OnWriteDone(bool ok) {
  Actions actions;
  {
    MutexLock lock(mutex_);
    writing_ = false;
    if (!ok && !abort_) abort_ = absl::CancelledError("the client is gone");
    actions = Decide();
  }
  Act(std::move(actions));
}

// The client went away, or its deadline has passed.
void FetchStream::OnCancel() { Abort(absl::CancelledError("cancelled by the client")); }

void FetchStream::OnDone() {
  registry_.Remove(this);
  self_.reset();  // may delete this
}

void FetchStream::Log(const absl::Status& status) const {
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  const double ms = std::chrono::duration<double, std::milli>(elapsed).count();
  const LoggedRequest request(request_id_);
  const std::string model = Quoted(model_name_);
  if (status.ok() || absl::IsCancelled(status)) {
    spdlog::debug("fetch of {}: {}, {} bytes in {:.1f} ms", model,
                  status.ok() ? "done" : "cancelled", data_bytes_, ms);
  } else {
    spdlog::warn("fetch of {}: {} (after {} bytes, {:.1f} ms)", model,
                 status.ToString(absl::StatusToStringMode::kWithNoExtraData), data_bytes_, ms);
  }
}

}  // namespace ecf8
