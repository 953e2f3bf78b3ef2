// One RecordAccesses: looks into the log of accesses ten times a second, and sends what is there.
//
// One message exists at a time, of bounded size. A client that does not read holds that one; the
// log goes on without it.
#ifndef ECF8_RPC_RECORD_STREAM_H_
#define ECF8_RPC_RECORD_STREAM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "ecf8/v1/recording.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/support/server_callback.h"
#include "loader/base/mutex.h"
#include "loader/engine/access_log.h"
#include "loader/model/compressed_model.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

// What is to be recorded, by its number in the engine.
struct RecordedModelRef {
  uint32_t number = 0;
  std::shared_ptr<const CompressedModel> model;
};

class RecordStream final : public grpc::ServerWriteReactor<v1::RecordAccessesResponse>,
                           public ServedStream,
                           public std::enable_shared_from_this<RecordStream> {
 public:
  // `log` and `registry` must outlive the stream. Records from here on; what becomes of the models
  // meanwhile is no matter, as an engine's numbers are never another model's.
  RecordStream(grpc::CallbackServerContext* context, std::vector<RecordedModelRef> models,
               AccessLog& log, StreamRegistry& registry);

  // To be called once, after the registry has taken the stream, which then owns itself.
  void Start();

  // What has happened until then is still sent.
  void Abort(const absl::Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void Continue();
  bool FillUnits();
  void FillAccesses();
  void LookAgainSoon();
  void End(const absl::Status& status);

  grpc::CallbackServerContext* const context_;
  std::vector<RecordedModelRef> models_;  // until their units are sent
  StreamRegistry& registry_;
  std::unordered_map<uint32_t, uint32_t> place_of_;  // among them, by the engine's number
  AccessLog::Reader reader_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::shared_ptr<RecordStream> self_;  // from Start to OnDone

  // Of whoever continues: a message that is out, or the alarm.
  v1::RecordAccessesResponse message_;
  size_t next_model_ = 0;  // whose units are to be sent
  uint32_t next_unit_ = 0;
  bool all_told_ = false;  // nothing more is to be sent after an abort
  std::chrono::steady_clock::time_point written_at_;
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
  std::unique_ptr<grpc::Alarm> alarm_;

  Mutex mutex_;
  std::optional<absl::Status> abort_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_RECORD_STREAM_H_
