#include "rpc/file_stream.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "grpcpp/server_context.h"
#include "loader/base/strings.h"
#include "loader/serve/queue_full.h"
#include "loader/serve/unit_reader.h"
#include "rpc/error_status.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {

FileStream::FileStream(ModelFile file, uint64_t offset_bytes, uint64_t size_bytes,
                       std::string request_id, WorkerPool& pool, StreamRegistry& registry)
    : file_(std::move(file)),
      request_id_(std::move(request_id)),
      pool_(pool),
      registry_(registry),
      next_bytes_(offset_bytes),
      left_bytes_(size_bytes) {}

void FileStream::Start() {
  self_ = shared_from_this();
  Continue();
}

void FileStream::Continue() {
  std::optional<absl::Status> end;
  {
    MutexLock lock(mutex_);
    end = abort_;
  }
  if (!end && left_bytes_ == 0) end = absl::OkStatus();
  if (end) return End(*end);
  if (pool_.TrySubmit([self = shared_from_this()] { self->Fill(); })) return;
  End(QueueIsFull());
}

void FileStream::Fill() {
  const absl::Status status = FillMessage();
  if (status.ok()) return StartWrite(&message_);
  const LoggedRequest request(request_id_);
  spdlog::warn("reading {} of model {}: {}", Quoted(file_.path), Quoted(file_.model->name()),
               std::string(status.message()));
  End(ModelFileFailure(file_, status));
}

absl::Status FileStream::FillMessage() {
  const File* file = file_.shard;
  if (file == nullptr) {
    if (!opened_) {
      ECF8_ASSIGN_OR_RETURN(opened_, OpenOtherFile(file_));
    }
    file = &*opened_;
  }
  const uint64_t size_bytes = std::min(left_bytes_, kMaxMessageDataBytes);
  message_.set_file_size_bytes(file_.size_bytes);
  std::string& data = *message_.mutable_data();
  data.resize(size_bytes);
  ECF8_RETURN_IF_ERROR(file->ReadAt(
      next_bytes_, absl::MakeSpan(reinterpret_cast<uint8_t*>(data.data()), data.size())));
  next_bytes_ += size_bytes;
  left_bytes_ -= size_bytes;
  return absl::OkStatus();
}

void FileStream::End(const absl::Status& status) { Finish(ToGrpcStatus(status, request_id_)); }

void FileStream::OnWriteDone(bool ok) {
  if (!ok) Abort(absl::CancelledError("the client is gone"));
  Continue();
}

// Something is always under way, whose end looks at abort_.
void FileStream::Abort(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!abort_) abort_ = status;
}

void FileStream::OnCancel() { Abort(absl::CancelledError("cancelled by the client")); }

void FileStream::OnDone() {
  registry_.Remove(this);
  self_.reset();  // may delete this
}

}  // namespace ecf8
