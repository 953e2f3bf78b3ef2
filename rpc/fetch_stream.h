// One Fetch: takes bytes from the engine's tiers, on the worker pool, while gRPC writes.
//
// Two messages exist: one is being written, the other is being prepared or waits. A client that
// does not read holds both, and nothing more is prepared. Data is copied once, out of the tier, so
// that a slow client's messages are its own and not the tier's memory; gRPC sends it from there.
// All work happens in steps of one message, so that a cancelled stream stops after the step at hand
// and many streams share the workers in turn. Where the next bytes are not there yet, the engine
// wakes the stream.
#ifndef ECF8_RPC_FETCH_STREAM_H_
#define ECF8_RPC_FETCH_STREAM_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "ecf8/v1/weights.grpc.pb.h"
#include "ecf8/v1/weights.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/serve/unit_reader.h"
#include "rpc/message_buffers.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

class FetchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                          public ServedStream,
                          public std::enable_shared_from_this<FetchStream> {
 public:
  // `buffers` are of kMaxMessageDataBytes. `engine`, `pool` and `registry` must outlive the stream.
  FetchStream(Engine& engine, ReadOrder order, std::string request_id, WorkerPool& pool,
              std::shared_ptr<MessageBuffers> buffers, StreamRegistry& registry);

  // To be called once, after the registry has taken the stream. From here on it owns itself, until
  // gRPC is done with it.
  void Start();

  void Abort(const absl::Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // What Decide found to do; done without the lock.
  struct Actions {
    bool prepare = false;
    const grpc::ByteBuffer* write = nullptr;
    std::optional<absl::Status> finish;
  };

  Actions Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Act(Actions actions);

  // On the pool: one step of the reader, into slot `slot_to_prepare_`.
  void Prepare();
  absl::StatusOr<ReadStep::Kind> FillSlot(grpc::ByteBuffer* message);
  v1::FetchResponse BeginMessage() const;
  void Prepared(const absl::StatusOr<ReadStep::Kind>& filled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // From the engine: what the reader waited for may be there.
  void Wake();
  void Log(const absl::Status& status) const;

  Engine& engine_;
  ReadOrder order_;  // until Start
  const std::string model_name_;
  const std::string request_id_;
  WorkerPool& pool_;
  const std::shared_ptr<MessageBuffers> buffers_;
  StreamRegistry& registry_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::shared_ptr<FetchStream> self_;  // from Start to OnDone

  // The preparing worker's alone; a slot also gRPC's while it is written.
  std::optional<UnitReader> reader_;  // from Start on
  std::array<grpc::ByteBuffer, 2> slots_;
  uint64_t data_bytes_ = 0;

  Mutex mutex_;
  bool preparing_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // for the engine to wake it
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;    // while it was preparing
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;    // the slot prepared last waits to be written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  size_t slot_to_prepare_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);    // nothing more will be prepared
  std::optional<absl::Status> abort_ ABSL_GUARDED_BY(mutex_);  // end now, with this
};

}  // namespace ecf8

#endif  // ECF8_RPC_FETCH_STREAM_H_
