// The id that a client gives a call, so that it finds the call again in the daemon's log.
#ifndef ECF8_RPC_REQUEST_ID_H_
#define ECF8_RPC_REQUEST_ID_H_

#include <string>
#include <string_view>

#include "grpcpp/server_context.h"

namespace ecf8 {

inline constexpr size_t kMaxRequestIdBytes = 64;

// `from_message`, where the call's message has one; or else the metadata "x-request-id", of which
// the first 64 bytes count, and what is neither letter nor digit nor one of "-_.:/+=" becomes '_'.
// Empty where there is none.
std::string RequestIdOf(const grpc::ServerContextBase& context, std::string_view from_message = {});

// While it lives, log lines of this thread are about the request `id`, which outlives it; the log's
// form says how that is shown. They may be nested.
class LoggedRequest {
 public:
  explicit LoggedRequest(std::string_view id);
  LoggedRequest(const LoggedRequest&) = delete;
  LoggedRequest& operator=(const LoggedRequest&) = delete;
  ~LoggedRequest();

  // Of this thread; empty where there is none.
  static std::string_view current();

 private:
  const std::string_view outer_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_REQUEST_ID_H_
