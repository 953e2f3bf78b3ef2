#include "rpc/preload_stream.h"

#include <utility>

#include "grpcpp/server_context.h"
#include "loader/base/clock.h"
#include "loader/base/strings.h"
#include "rpc/call_limits.h"
#include "rpc/error_status.h"
#include "rpc/request_checks.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
PreloadStream::PreloadStream(std::string model_name, PreloadCaller caller, StreamRegistry& registry)
    : model_name_(std::move(model_name)), caller_(std::move(caller)), registry_(registry) {}

std::shared_ptr<PreloadStream> PreloadStream::Make(Engine& engine, PreloadOrder order,
                                                   PreloadCaller caller, WorkerPool& pool,
                                                   StreamRegistry& registry) {
  std::shared_ptr<PreloadStream> stream(
      new PreloadStream(order.model->model()->name(), std::move(caller), registry));
  stream->task_ = std::make_shared<PreloadTask>(
      engine, std::move(order), pool,
      [weak = stream->weak_from_this()](const absl::StatusOr<PreloadProgress>& progress,
                                        int64_t resumes_at_ns) {
        if (const auto self = weak.lock()) self->OnNews(progress, resumes_at_ns);
      });
  return stream;
}

void PreloadStream::Start() {
  self_ = shared_from_this();
  task_->Start();
}

PreloadStream::Actions PreloadStream::Decide() {
  Actions actions;
  if (finished_ || writing_) return actions;
  const bool has_failed = end_ && !end_->ok();
  if (is_new_ && !has_failed) {
    is_new_ = false;
    writing_ = true;
    actions.write = progress_;
  } else if (end_) {
    finished_ = true;
    actions.finish = end_;
  }
  return actions;
}

// Only one thread at a time gets something to do, since Decide marks what it hands out.
void PreloadStream::Act(const Actions& actions) {
  if (actions.write) {
    FillMessage(*actions.write);
    StartWrite(&message_);
  }
  if (actions.finish) {
    Log(*actions.finish);
    const absl::Status told = caller_.sees_all ? *actions.finish : HideHolder(*actions.finish);
    Finish(ToGrpcStatus(told, caller_.request_id));
  }
}

void PreloadStream::WakeAt(int64_t time_ns) {
  if (end_ || std::exchange(alarm_is_set_, true)) return;
  const std::chrono::steady_clock::time_point time{std::chrono::nanoseconds(time_ns)};
  // It keeps what it calls until it goes itself, with this.
  alarm_.Set(ToGrpcDeadline(time), [weak = weak_from_this()](bool fired) {
    if (const auto self = weak.lock()) self->OnAlarm(fired);
  });
}

void PreloadStream::OnAlarm(bool fired) {
  {
    MutexLock lock(mutex_);
    alarm_is_set_ = false;
  }
  if (fired) task_->Wake();
}

void PreloadStream::OnNews(const absl::StatusOr<PreloadProgress>& progress, int64_t resumes_at_ns) {
  Actions actions;
  {
    MutexLock lock(mutex_);
    if (progress.ok()) {
      is_new_ = is_new_ || progress_ != *progress;
      progress_ = *progress;
    }
    const bool is_over = !progress.ok() || progress->is_done;
    if (is_over && !end_) end_ = progress.status();
    if (resumes_at_ns != 0) WakeAt(resumes_at_ns);
    actions = Decide();
  }
  Act(actions);
}

void PreloadStream::FillMessage(const PreloadProgress& progress) {
  const double seconds = SecondsSince(started_);
  const double rate = static_cast<double>(progress.bytes_loaded) / seconds;
  const auto left_bytes = static_cast<double>(progress.bytes - progress.bytes_done);
  message_.set_units(progress.units);
  message_.set_units_done(progress.units_done);
  message_.set_units_not_kept(progress.units_not_kept);
  message_.set_bytes(progress.bytes);
  message_.set_bytes_done(progress.bytes_done);
  message_.set_bytes_not_kept(progress.bytes_not_kept);
  message_.set_bytes_loaded(progress.bytes_loaded);
  message_.set_elapsed_ms(static_cast<uint64_t>(seconds * 1000));
  message_.set_bytes_per_second(static_cast<uint64_t>(rate));
  message_.set_remaining_ms(rate > 0 ? static_cast<uint64_t>(left_bytes / rate * 1000) : 0);
  message_.set_done(progress.is_done);
}

// What was held is given back before the client hears of it.
void PreloadStream::Abort(const absl::Status& status) {
  task_->Stop();
  Actions actions;
  {
    MutexLock lock(mutex_);
    if (!end_) end_ = status;
    actions = Decide();
  }
  Act(actions);
}

void PreloadStream::OnWriteDone(bool ok) {
  if (!ok) task_->Stop();
  Actions actions;
  {
    MutexLock lock(mutex_);
    writing_ = false;
    if (!ok && (!end_ || end_->ok())) end_ = absl::CancelledError("the client is gone");
    actions = Decide();
  }
  Act(actions);
}

// The client went away, or its deadline has passed.
void PreloadStream::OnCancel() { Abort(absl::CancelledError("cancelled by the client")); }

void PreloadStream::OnDone() {
  registry_.Remove(this);
  self_.reset();  // may delete this
}

void PreloadStream::Log(const absl::Status& status) const {
  PreloadProgress progress;
  {
    MutexLock lock(mutex_);
    progress = progress_;
  }
  const LoggedRequest request(caller_.request_id);
  spdlog::info("preload of {}: {}; {} of {} units, {} not kept, {} bytes loaded in {:.1f} ms",
               Quoted(model_name_),
               status.ok() ? "done" : status.ToString(absl::StatusToStringMode::kWithNoExtraData),
               progress.units_done, progress.units, progress.units_not_kept, progress.bytes_loaded,
               1000 * SecondsSince(started_));
}

}  // namespace ecf8
