// Who may call what.
//
// A connection over the daemon's Unix socket, of a client with a certificate that the daemon's CA
// has signed, or over TCP that was declared insecure, may do everything. Where tokens are asked for
// (TLS without client certificates), each call presents one: "authorization: Bearer TOKEN".
#ifndef ECF8_RPC_ACCESS_CONTROL_H_
#define ECF8_RPC_ACCESS_CONTROL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "loader/base/mutex.h"
#include "rpc/token_table.h"

namespace ecf8 {

// Thread-safe.
class AccessControl {
 public:
  // No tokens: whoever the transport lets in may do everything.
  AccessControl() = default;

  // Every call needs a token of the file, from here on. Errors as TokenTable::Read.
  absl::Status RequireTokens(const std::string& path);

  // Reads the file again; where it is not good, the old tokens stay. OK without one.
  absl::Status Reload();

  // UNAUTHENTICATED without a token that is known, the same whatever is wrong with it;
  // PERMISSION_DENIED for one without the scope. Both with an ErrorInfo.
  absl::StatusOr<Principal> Check(const grpc::ServerContextBase& context, Scope scope) const;

  // The same, and NOT_FOUND, as for a model that is not served, where the caller may not see it.
  absl::Status CheckModel(const grpc::ServerContextBase& context, Scope scope,
                          std::string_view model) const;

  // Whether the caller may see every model, and so be told which of them have the memory that is
  // missing.
  bool SeesAll(const grpc::ServerContextBase& context, Scope scope) const;

 private:
  std::shared_ptr<const TokenTable> table() const;

  mutable Mutex mutex_;
  std::string path_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const TokenTable> table_ ABSL_GUARDED_BY(mutex_);  // null: none are needed
};

}  // namespace ecf8

#endif  // ECF8_RPC_ACCESS_CONTROL_H_
