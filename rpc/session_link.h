// The stream of a session, as SessionMux uses it: operations that are begun, and events that are
// waited for. gRPC stands behind it, the slot socket (slot_session_link.h), or a test.
#ifndef ECF8_RPC_SESSION_LINK_H_
#define ECF8_RPC_SESSION_LINK_H_

#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "ecf8/v1/session.pb.h"
#include "ecf8/v1/weights.grpc.pb.h"

namespace ecf8 {

class SessionLink {
 public:
  enum class Event : uint8_t {
    kNone,     // the deadline has passed
    kWoken,    // by Wake
    kWritten,  // the next message may be written
    kRead,     // response() is new
    kEnded,    // status() says why; no event but kNone and kWoken follows
  };

  // Ends the stream. Nobody is in Next.
  virtual ~SessionLink() = default;

  // The next event. One thread at a time.
  virtual Event Next(std::chrono::steady_clock::time_point deadline) = 0;

  // After kWritten, which also comes once at the start, or after true: it is written at once, and
  // no kWritten comes for it. `request` may go when this returns. Not beside another Write or
  // EndWrites.
  [[nodiscard]] virtual bool Write(const v1::SessionRequest& request) = 0;
  // The same, with a kWritten or the end behind it: there will be no more.
  virtual void EndWrites() = 0;

  // After kRead, until Read lets the next one come. Neither beside Next.
  virtual const v1::SessionResponse& response() const = 0;
  virtual void Read() = 0;

  // After kEnded.
  virtual absl::Status status() const = 0;

  // Thread-safe. One kWoken comes after it, at least.
  virtual void Wake() = 0;

  // Thread-safe. The stream ends now, whatever is under way.
  virtual void Cancel() = 0;
};

// A call of the daemon's that has begun, of `stub`.
std::unique_ptr<SessionLink> StartSessionLink(v1::WeightService::Stub& stub);

}  // namespace ecf8

#endif  // ECF8_RPC_SESSION_LINK_H_
