#include "rpc/request_id.h"

#include <algorithm>

namespace ecf8 {
namespace {

thread_local std::string_view current_id;

bool MayStand(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.:/+=").find(c) != std::string_view::npos;
}

}  // namespace

std::string RequestIdOf(const grpc::ServerContextBase& context, std::string_view from_message) {
  if (!from_message.empty()) return std::string(from_message);
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("x-request-id");
  if (found == metadata.end()) return "";
  std::string id(found->second.data(), std::min(found->second.size(), kMaxRequestIdBytes));
  for (char& c : id) c = MayStand(c) ? c : '_';
  return id;
}

LoggedRequest::LoggedRequest(std::string_view id) : outer_(current_id) { current_id = id; }

LoggedRequest::~LoggedRequest() { current_id = outer_; }

std::string_view LoggedRequest::current() { return current_id; }

}  // namespace ecf8
