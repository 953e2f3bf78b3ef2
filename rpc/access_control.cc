#include "rpc/access_control.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "loader/serve/model_set.h"

namespace ecf8 {
namespace {

constexpr std::string_view kBearer = "Bearer ";

absl::Status Unauthenticated() {
  return WithErrorInfo(
      absl::UnauthenticatedError("the call needs a token that the daemon knows, as "
                                 "'authorization: Bearer TOKEN'"),
      {.reason = ErrorReason::kBadRequest});
}

const char* NameOf(Scope scope) {
  switch (scope) {
    case Scope::kRead:
      return "read";
    case Scope::kPreload:
      return "preload";
    case Scope::kAdmin:
      return "admin";
  }
  return "";
}

}  // namespace

std::shared_ptr<const TokenTable> AccessControl::table() const {
  MutexLock lock(mutex_);
  return table_;
}

absl::Status AccessControl::RequireTokens(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(TokenTable table, TokenTable::Read(path));
  MutexLock lock(mutex_);
  path_ = path;
  table_ = std::make_shared<const TokenTable>(std::move(table));
  return absl::OkStatus();
}

absl::Status AccessControl::Reload() {
  std::string path;
  {
    MutexLock lock(mutex_);
    if (table_ == nullptr) return absl::OkStatus();
    path = path_;
  }
  return RequireTokens(path);
}

absl::StatusOr<Principal> AccessControl::Check(const grpc::ServerContextBase& context,
                                               Scope scope) const {
  const std::shared_ptr<const TokenTable> tokens = table();
  if (tokens == nullptr) return Principal::Everything("");
  const auto header = context.client_metadata().find("authorization");
  if (header == context.client_metadata().end()) return Unauthenticated();
  std::string_view token(header->second.data(), header->second.size());
  if (!token.starts_with(kBearer)) return Unauthenticated();
  token.remove_prefix(kBearer.size());
  std::optional<Principal> principal = tokens->Find(token);
  if (!principal) return Unauthenticated();
  if (principal->May(scope)) return *std::move(principal);
  return WithErrorInfo(
      absl::PermissionDeniedError(
          absl::StrCat("token ", Quoted(principal->name), " has not the scope ", NameOf(scope))),
      {.reason = ErrorReason::kBadRequest});
}

absl::Status AccessControl::CheckModel(const grpc::ServerContextBase& context, Scope scope,
                                       std::string_view model) const {
  ECF8_ASSIGN_OR_RETURN(const Principal principal, Check(context, scope));
  return principal.MaySee(model) ? absl::OkStatus() : NotServed(model);
}

bool AccessControl::SeesAll(const grpc::ServerContextBase& context, Scope scope) const {
  const absl::StatusOr<Principal> caller = Check(context, scope);
  return caller.ok() && caller->all_models;
}

}  // namespace ecf8
