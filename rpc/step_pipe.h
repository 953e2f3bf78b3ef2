// Messages over a connected Unix stream socket, without ever waiting: what a session's two sides
// say once it is open (docs/SESSIONS.md).
//
// Each message is preceded by its size, a uint32_t in the machine's byte order.
#ifndef ECF8_RPC_STEP_PIPE_H_
#define ECF8_RPC_STEP_PIPE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/message_lite.h"

namespace ecf8 {

// One direction and the other may be used by two threads; each is thread-compatible. Keeps as much
// memory as the largest message has taken, each way.
class StepPipe {
 public:
  enum class State : uint8_t { kOpen, kBlocked, kBroken };

  // `fd` is the caller's, and outlives the use of the pipe. `max_bytes`: of a message that comes.
  StepPipe(int fd, size_t max_bytes) : fd_(fd), max_bytes_(max_bytes) {}
  StepPipe(const StepPipe&) = delete;
  StepPipe& operator=(const StepPipe&) = delete;

  // To the peer: what was put goes with Flush. kBlocked: more when the socket can be written to.
  // kBroken: the peer is gone, for good.
  void Put(const google::protobuf::MessageLite& message);
  State Flush();

  // From the peer: takes what has come, when the socket can be read from. kBlocked: nothing.
  // kBroken: the peer has gone.
  State Receive();
  // The next message that has come whole; valid until the next Receive. kBlocked: there is none.
  // kBroken: one is too long, and nothing behind it can be read.
  State Next(std::string_view* message);

 private:
  const int fd_;
  const size_t max_bytes_;
  std::string out_;
  size_t sent_bytes_ = 0;  // of out_
  std::vector<char> in_;   // what has come: [begin_, end_)
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_RPC_STEP_PIPE_H_
