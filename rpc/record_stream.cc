#include "rpc/record_stream.h"

#include <algorithm>
#include <utility>

#include "grpcpp/server_context.h"
#include "loader/checkpoint/unit_place.h"
#include "rpc/call_limits.h"
#include "rpc/error_status.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

constexpr std::chrono::milliseconds kLookInterval(100);
constexpr std::chrono::milliseconds kSilence(200);  // after which an empty message is sent
constexpr size_t kMaxUnitsAMessage = 2048;          // of up to 150 bytes
constexpr size_t kMaxAccessesAMessage = 8192;       // of up to 20 bytes

uint64_t MicrosecondsSince(std::chrono::steady_clock::time_point begin, int64_t time_ns) {
  const int64_t begin_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(begin.time_since_epoch()).count();
  return static_cast<uint64_t>(std::max<int64_t>(0, time_ns - begin_ns) / 1000);
}

}  // namespace

RecordStream::RecordStream(grpc::CallbackServerContext* context,
                           std::vector<RecordedModelRef> models, AccessLog& log,
                           StreamRegistry& registry)
    : context_(context), models_(std::move(models)), registry_(registry), reader_(log) {
  for (uint32_t place = 0; place < models_.size(); ++place) {
    place_of_.emplace(models_[place].number, place);
  }
}

void RecordStream::Start() {
  self_ = shared_from_this();
  const std::string id = RequestIdOf(*context_);
  const LoggedRequest logged(id);
  spdlog::info("recording accesses for {}", context_->peer());
  for (const RecordedModelRef& recorded : models_) {
    v1::RecordedModel* const model = message_.add_models();
    model->set_name(recorded.model->name());
    model->set_digest(recorded.model->digest());
    model->set_unit_count(recorded.model->unit_count());
  }
  Continue();
}

// Nothing is under way: neither a write nor the alarm. An abort is noticed at the next look.
void RecordStream::Continue() {
  alarm_.reset();  // it holds the function that holds this stream
  std::optional<absl::Status> abort;
  {
    MutexLock lock(mutex_);
    abort = abort_;
  }
  if (abort && (all_told_ || absl::IsCancelled(*abort))) return End(*abort);
  if (!FillUnits()) {
    FillAccesses();
    all_told_ = abort && !message_.more();
    const bool quiet = message_.accesses().empty() && message_.lost_accesses() == 0;
    if (quiet && !abort && std::chrono::steady_clock::now() < written_at_ + kSilence) {
      return LookAgainSoon();
    }
  }
  written_at_ = std::chrono::steady_clock::now();
  StartWrite(&message_);
}

// False where all have been sent.
bool RecordStream::FillUnits() {
  size_t count = 0;
  for (; next_model_ < models_.size() && count < kMaxUnitsAMessage; ++next_model_, next_unit_ = 0) {
    const CompressedModel& model = *models_[next_model_].model;
    for (; next_unit_ < model.unit_count() && count < kMaxUnitsAMessage; ++next_unit_, ++count) {
      const Unit& unit = model.unit(next_unit_);
      const UnitPlace place = PlaceOfUnit(unit.id);
      v1::RecordedUnit* const out = message_.add_units();
      out->set_id(unit.id);
      out->set_stored_size_bytes(unit.stored_size_bytes);
      out->set_decoded_size_bytes(unit.decoded_size_bytes);
      out->set_layer(place.layer);
      out->set_expert(place.expert);
    }
    if (next_unit_ < model.unit_count()) break;
  }
  if (next_model_ == models_.size()) {
    models_.clear();  // so that one that is removed can go
    next_model_ = 0;
  }
  return !message_.models().empty() || count > 0;
}

void RecordStream::FillAccesses() {
  const AccessLog::Batch batch = reader_.Read(kMaxAccessesAMessage);
  for (const LoggedAccess& access : batch.accesses) {
    const auto place = place_of_.find(CacheKeyModel(access.key));
    if (place == place_of_.end()) continue;
    v1::RecordedAccess* const out = message_.add_accesses();
    out->set_time_us(MicrosecondsSince(begin_, access.time_ns));
    out->set_model(place->second);
    out->set_unit(CacheKeyUnit(access.key));
    out->set_kind(static_cast<v1::RecordedAccess::Kind>(access.access));
  }
  message_.set_lost_accesses(batch.lost);
  message_.set_time_us(MicrosecondsSince(begin_, batch.time_ns));
  message_.set_more(batch.more);
  sent_ += static_cast<uint64_t>(message_.accesses_size());
  lost_ += batch.lost;
}

void RecordStream::LookAgainSoon() {
  message_.Clear();
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(ToGrpcDeadline(std::chrono::steady_clock::now() + kLookInterval),
              [self = shared_from_this()](bool /*in_time*/) { self->Continue(); });
}

void RecordStream::OnWriteDone(bool ok) {
  if (!ok) Abort(absl::CancelledError("the client is gone"));
  const bool more = message_.more() || !message_.units().empty();
  message_.Clear();
  more || !ok ? Continue() : LookAgainSoon();
}

void RecordStream::Abort(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!abort_ || absl::IsCancelled(status)) abort_ = status;
}

void RecordStream::OnCancel() { Abort(absl::CancelledError("cancelled by the client")); }

void RecordStream::End(const absl::Status& status) {
  const std::string id = RequestIdOf(*context_);
  const LoggedRequest logged(id);
  spdlog::info("recorded {} accesses for {}{}", sent_, context_->peer(),
               lost_ == 0 ? "" : "; it was too slow for " + std::to_string(lost_) + " more");
  Finish(ToGrpcStatus(status, id));
}

void RecordStream::OnDone() {
  registry_.Remove(this);
  self_.reset();  // may delete this
}

}  // namespace ecf8
