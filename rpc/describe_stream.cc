#include "rpc/describe_stream.h"

#include <utility>

#include "grpcpp/server_context.h"
#include "rpc/describe.h"
#include "rpc/error_status.h"

namespace ecf8 {
namespace {

// A message ends with the unit that reaches this. A unit of very many tensors is larger, but a unit
// is not cut.
constexpr size_t kMessageBytes = 256 << 10;

}  // namespace

DescribeStream::DescribeStream(std::shared_ptr<const CompressedModel> model, bool with_chunks,
                               StreamRegistry& registry)
    : model_(std::move(model)), with_chunks_(with_chunks), registry_(registry) {}

void DescribeStream::Start() {
  self_ = shared_from_this();
  FillModel(*model_, message_.mutable_model());
  WriteNext();
}

// Called by Start and then by OnWriteDone, so never twice at once.
void DescribeStream::WriteNext() {
  std::optional<absl::Status> end;
  {
    MutexLock lock(mutex_);
    end = abort_;
  }
  size_t bytes = 0;
  while (!end && next_unit_ < model_->unit_count() && bytes < kMessageBytes) {
    v1::Unit* const unit = message_.add_units();
    FillWholeUnit(*model_, next_unit_++, with_chunks_, unit);
    bytes += unit->ByteSizeLong();
  }
  if (!end && (message_.has_model() || message_.units_size() > 0)) {
    StartWrite(&message_);
  } else {
    Finish(ToGrpcStatus(end.value_or(absl::OkStatus()), ""));
  }
}

void DescribeStream::OnWriteDone(bool ok) {
  if (!ok) Abort(absl::CancelledError("the client is gone"));
  message_.Clear();
  WriteNext();
}

// A write is always under way: its end looks at abort_.
void DescribeStream::Abort(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!abort_) abort_ = status;
}

void DescribeStream::OnCancel() { Abort(absl::CancelledError("cancelled by the client")); }

void DescribeStream::OnDone() {
  registry_.Remove(this);
  self_.reset();  // may delete this
}

}  // namespace ecf8
