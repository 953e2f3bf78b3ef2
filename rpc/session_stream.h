// One Session call: a loader/session Session behind a bidirectional stream.
//
// Requests are done as they come, answers are written as they get ready, one at a time; the session
// bounds how many sets, and so answers, there are. After a ping nothing is read until the pong is
// being written, nor while a resident session, or one with slots of its own, is opened. Where the
// client says so, all that follows `opened` comes and goes over its connection to the slot socket,
// and the stream is there for the session's end. The session ends before the stream does: its slots
// are given back at once, however long the client takes to hear of it.
#ifndef ECF8_RPC_SESSION_STREAM_H_
#define ECF8_RPC_SESSION_STREAM_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "ecf8/v1/session.pb.h"
#include "grpcpp/support/server_callback.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/engine/engine.h"
#include "loader/serve/model_set.h"
#include "loader/session/open_session.h"
#include "loader/session/resident_loader.h"
#include "loader/session/session.h"
#include "loader/session/ticket_table.h"
#include "rpc/slot_links.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

// What sessions need; all of it outlives them.
struct SessionParts {
  Engine& engine;
  const ModelSet& models;
  TicketTable& tickets;
  const SlotLinks& links;
  ResidentLoader& residents;
  WorkerPool& pool;
  const SessionLimits& limits;
  StreamRegistry& registry;
};

class SessionStream final : public grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>,
                            public ServedStream,
                            public SessionSteps,
                            public std::enable_shared_from_this<SessionStream> {
 public:
  // Looks at the context no more afterwards.
  SessionStream(const grpc::ServerContextBase& context, const SessionParts& parts);

  // To be called once, after the registry has taken the stream. From here on it owns itself, until
  // gRPC is done with it.
  void Start();

  void Abort(const absl::Status& status) override;
  void Tick() override;

  bool OnStep(std::string_view message) override;
  bool TakeStep(v1::SessionResponse* response) override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // What Decide found to do; done without the lock.
  struct Actions {
    std::shared_ptr<SlotLink> notify;
    bool write = false;
    bool read = false;
    std::optional<absl::Status> finish;
  };

  Actions Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillOpened(v1::SessionOpened* opened) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is to be said next to a client whose session is open; false where there is nothing.
  bool FillResponse(v1::SessionResponse* response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Act(const Actions& actions);
  void Step();  // Decide and Act

  absl::Status Handle(const v1::SessionRequest& request);
  absl::Status Open(const v1::OpenSession& request);
  // What the client is told, and where, once its session is there; false where it has ended.
  bool SetSession(std::shared_ptr<Session> session);
  // The ways to go on: at once, when the model is pinned, or when the session has slots of its own.
  absl::Status Begin(const SessionOrder& order, ServedModel model, PinHold residence);
  absl::Status PinAndBegin(SessionOrder order, ServedModel model);
  void OnPinned(const SessionOrder& order, const ServedModel& model, absl::StatusOr<PinHold>& hold);
  absl::Status TakeSlotsAndBegin(SessionOrder order, ServedModel model);
  void OnOwnSession(const absl::StatusOr<std::shared_ptr<Session>>& session,
                    const std::shared_ptr<OwnSlots>& slots);
  // Whether `request` is answered by a session that opens later, which reads on.
  bool OpensLater(const v1::SessionRequest& request) const;
  void ReadOn();
  std::shared_ptr<Session> session();
  void End(const absl::Status& status);

  const SessionParts parts_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::shared_ptr<SessionStream> self_;  // from Start to OnDone
  v1::SessionRequest request_;           // gRPC's while it reads, then OnReadDone's
  v1::SessionResponse response_;         // gRPC's while it writes
  // The slot socket's.
  v1::SessionRequest step_;
  std::shared_ptr<Session> told_{};  // has had an outcome taken

  Mutex mutex_;
  std::string request_id_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Session> session_ ABSL_GUARDED_BY(mutex_);  // once it is open
  std::optional<Ticket> ticket_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<SlotLink> link_ ABSL_GUARDED_BY(mutex_);  // of the ticket
  bool over_slot_socket_ ABSL_GUARDED_BY(mutex_) = false;   // steps; once `opened` is told
  bool tell_opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool pong_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  int starting_reads_ ABSL_GUARDED_BY(mutex_) = 0;  // decided, and StartRead has not returned
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_SESSION_STREAM_H_
