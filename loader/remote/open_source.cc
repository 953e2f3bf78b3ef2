#include "loader/remote/open_source.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/environment.h"
#include "loader/base/strings.h"
#include "loader/remote/aws_access.h"
#include "loader/remote/http_source.h"
#include "loader/remote/hub_layout.h"
#include "loader/remote/s3_layout.h"
#include "loader/remote/web_layout.h"

namespace ecf8 {
namespace {

absl::StatusOr<std::unique_ptr<HttpLayout>> MakeLayout(std::string_view address,
                                                       const SourceOptions& options) {
  const std::string_view scheme = address.substr(0, address.find("://"));
  if (scheme == "https" || scheme == "http") {
    ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> secrets, BearerHeaders(options.token));
    return MakeWebLayout(address,
                         [secrets](HttpRequest& request) { request.secret_headers = secrets; });
  }
  if (scheme == "hf") {
    ECF8_ASSIGN_OR_RETURN(const HubAddress hub, ParseHubAddress(address));
    ECF8_ASSIGN_OR_RETURN(const HubAccess access, HubAccess::FromEnvironment());
    return MakeHubLayout(hub, access);
  }
  if (scheme == "s3") {
    ECF8_ASSIGN_OR_RETURN(const S3Address bucket, ParseS3Address(address));
    return MakeS3Layout(
        bucket, std::make_unique<AwsAccess>(options.http, Environment, !options.signs_requests));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(address), " is no source: https://, http://, hf://, s3:// or ecf8://"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectSource>> OpenObjectSource(std::string_view address,
                                                               const SourceOptions& options) {
  ECF8_ASSIGN_OR_RETURN(std::unique_ptr<HttpLayout> layout, MakeLayout(address, options));
  ECF8_ASSIGN_OR_RETURN(std::unique_ptr<HttpClient> client, HttpClient::Create(options.http));
  return std::make_unique<HttpSource>(std::move(client), std::move(layout),
                                      static_cast<size_t>(options.http.connections));
}

}  // namespace ecf8
