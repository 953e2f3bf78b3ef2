// The daemon's side of a session's steps: what has come is done, what is to be said is sent, in
// turn.
#ifndef ECF8_RPC_STEP_CONNECTION_H_
#define ECF8_RPC_STEP_CONNECTION_H_

#include <cstddef>

#include "ecf8/v1/session.pb.h"
#include "rpc/slot_links.h"
#include "rpc/step_pipe.h"

namespace ecf8 {

// Thread-compatible. A client that does not read is not listened to: what it is owed is bounded by
// what it has said.
class StepConnection {
 public:
  // As of StepPipe.
  StepConnection(int fd, size_t max_step_bytes) : pipe_(fd, max_step_bytes) {}

  // What to poll for.
  short events() const;

  // False: the client is gone, or has ended its session. Never blocks.
  bool Serve(SessionSteps& steps, bool is_readable);

 private:
  StepPipe pipe_;
  bool is_blocked_ = false;
  v1::SessionResponse response_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_STEP_CONNECTION_H_
