#include "loader/remote/aws_access.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/strings.h"
#include "loader/model/other_files.h"
#include "loader/remote/url.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr uint64_t kMaxAnswerBytes = 64 * 1024;
// Whoever gives keys that end gives new ones five minutes before that, or sooner.
constexpr int64_t kRenewNs = int64_t{240} * 1'000'000'000;
constexpr int64_t kRetryNs = int64_t{10} * 1'000'000'000;
constexpr int kLinkTimeoutMs = 1000;

constexpr char kContainerHost[] = "http://169.254.170.2";
constexpr char kInstanceHost[] = "http://169.254.169.254";
// Beside this machine's own addresses.
constexpr std::array<std::string_view, 3> kContainerHosts = {"169.254.170.2", "169.254.170.23",
                                                             "[fd00:ec2::23]"};

// What a profile may have instead of a key, and is not done here.
constexpr std::array<const char*, 5> kOtherWays = {"role_arn", "credential_process", "sso_session",
                                                   "sso_start_url", "credential_source"};

absl::StatusOr<std::string> Ask(const HttpOptions& options, HttpRequest request) {
  ECF8_ASSIGN_OR_RETURN(const std::unique_ptr<HttpClient> client, HttpClient::Create(options));
  request.max_body_bytes = kMaxAnswerBytes;
  HttpEnd end = client->Run(std::move(request));
  if (end.status.ok()) return std::move(end.body);
  const std::string code = XmlText(end.body, "Code");
  if (code.empty()) return end.status;
  return AddContext(end.status, absl::StrCat("refused with ", Quoted(code, 100)));
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return std::string(absl::StripAsciiWhitespace(text));
}

// `what` it is the answer about, for messages.
absl::StatusOr<AwsKey> KeyFrom(const absl::StatusOr<std::string>& answer,
                               absl::StatusOr<AwsKey> (*parse)(std::string_view),
                               std::string_view what) {
  if (!answer.ok()) return AddContext(answer.status(), what);
  absl::StatusOr<AwsKey> key = parse(*answer);
  if (!key.ok()) return AddContext(key.status(), what);
  return key;
}

}  // namespace

AwsAccess::AwsAccess(HttpOptions http, AwsEnvironment environment, bool is_anonymous)
    : http_(std::move(http)), environment_(std::move(environment)), is_anonymous_(is_anonymous) {
  ReadProfile();
  region_ = Get("AWS_REGION");
  if (region_.empty()) region_ = Get("AWS_DEFAULT_REGION");
  if (region_.empty()) region_ = profile_.Get("region");
  if (region_.empty()) region_ = "us-east-1";
  endpoint_ = Get("AWS_ENDPOINT_URL_S3");
  if (endpoint_.empty()) endpoint_ = Get("AWS_ENDPOINT_URL");
  if (endpoint_.empty()) endpoint_ = profile_.Get("endpoint_url");
}

void AwsAccess::ReadProfile() {
  const std::string named = Get("AWS_PROFILE");
  const std::string profile = named.empty() ? "default" : named;
  struct Place {
    const char* variable;
    const char* path;
    std::string section;
  };
  const Place places[] = {
      {"AWS_CONFIG_FILE", "/.aws/config",
       profile == "default" ? profile : absl::StrCat("profile ", profile)},
      {"AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", profile},
  };
  for (const Place& place : places) {
    std::string path = Get(place.variable);
    if (path.empty()) path = absl::StrCat(Get("HOME"), place.path);
    const absl::StatusOr<std::string> text = ReadFile(path, kMaxFileBytes);
    if (absl::IsNotFound(text.status())) continue;
    if (!text.ok()) {
      profile_status_ = text.status();
      return;
    }
    AwsSection section = ParseAwsSection(*text, place.section);
    profile_.exists |= section.exists;
    // The second file's settings are taken before the first's.
    for (auto& [name, value] : section.settings) profile_.settings[name] = std::move(value);
  }
  if (!named.empty() && !profile_.exists) {
    profile_status_ = absl::NotFoundError(
        absl::StrCat("AWS_PROFILE names ", Quoted(named), ", and there is no such profile"));
  }
}

absl::Status AwsAccess::Renew() {
  if (is_anonymous_) return absl::OkStatus();
  Found found = Find();
  renew_after_ns_ = NowNs() + (found.ok() ? kRenewNs : kRetryNs);
  if (!found.ok()) return found.status();
  found->region = region_;
  key_ = *std::move(found);
  return absl::OkStatus();
}

void AwsAccess::Sign(HttpRequest& request) {
  if (is_fleeting_ && NowNs() >= renew_after_ns_) Renew().IgnoreError();
  request.key = key_;
}

AwsAccess::Found AwsAccess::Find() {
  is_fleeting_ = false;
  if (!Get("AWS_ACCESS_KEY_ID").empty() || !Get("AWS_SECRET_ACCESS_KEY").empty()) {
    return FromEnvironment();
  }
  ECF8_RETURN_IF_ERROR(profile_status_);
  if (!Get("AWS_PROFILE").empty() || ProfileHasKey()) return FromProfile();
  is_fleeting_ = true;
  if (!Get("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) return FromWebIdentity();
  if (!Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
      !Get("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    return FromContainer();
  }
  return FromInstance();
}

bool AwsAccess::ProfileHasKey() const {
  return !profile_.Get("aws_access_key_id").empty() ||
         std::any_of(kOtherWays.begin(), kOtherWays.end(),
                     [this](const char* way) { return !profile_.Get(way).empty(); });
}

AwsAccess::Found AwsAccess::FromEnvironment() const {
  AwsKey key{.region = {},
             .id = Get("AWS_ACCESS_KEY_ID"),
             .secret = Get("AWS_SECRET_ACCESS_KEY"),
             .session_token = Get("AWS_SESSION_TOKEN")};
  if (!key.id.empty() && !key.secret.empty()) return key;
  return absl::InvalidArgumentError(
      "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
}

AwsAccess::Found AwsAccess::FromProfile() const {
  AwsKey key{.region = {},
             .id = profile_.Get("aws_access_key_id"),
             .secret = profile_.Get("aws_secret_access_key"),
             .session_token = profile_.Get("aws_session_token")};
  if (!key.id.empty() && !key.secret.empty()) return key;
  for (const char* const way : kOtherWays) {
    if (profile_.Get(way).empty()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the AWS profile has ", way,
        ", which is not done here: aws configure export-credentials --format env prints a key"));
  }
  return absl::InvalidArgumentError(
      "the AWS profile has not both, aws_access_key_id and aws_secret_access_key");
}

AwsAccess::Found AwsAccess::FromWebIdentity() const {
  const std::string role = Get("AWS_ROLE_ARN");
  if (role.empty()) {
    return absl::InvalidArgumentError("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN");
  }
  ECF8_ASSIGN_OR_RETURN(const std::string token, ReadToken(Get("AWS_WEB_IDENTITY_TOKEN_FILE")));
  std::string endpoint = Get("AWS_ENDPOINT_URL_STS");
  if (endpoint.empty()) endpoint = absl::StrCat("https://sts.", region_, ".amazonaws.com");
  const std::string name = Get("AWS_ROLE_SESSION_NAME");
  HttpRequest request;
  request.url =
      absl::StrCat(endpoint, "/?Action=AssumeRoleWithWebIdentity&RoleArn=", UrlEncoded(role, false),
                   "&RoleSessionName=", UrlEncoded(name.empty() ? "ecf8" : name, false),
                   "&Version=2011-06-15&WebIdentityToken=", UrlEncoded(token, false));
  const absl::StatusOr<std::string> answer = Ask(http_, std::move(request));
  return KeyFrom(answer, ParseAwsKeyXml, "a key for the web identity");
}

// What lies on the machine's link answers at once or not at all.
HttpOptions AwsAccess::ForTheLink() const {
  HttpOptions options = http_;
  options.insecure = true;
  options.tells_secrets = true;
  options.connect_timeout_ms = kLinkTimeoutMs;
  options.stall_timeout_ms = 5 * kLinkTimeoutMs;
  options.max_rate_bytes_per_second = 0;
  options.retry = {.attempts = 2, .budget = 2, .first_ms = 100, .longest_ms = 100};
  return options;
}

AwsAccess::Found AwsAccess::FromContainer() const {
  std::string text = Get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const std::string relative = Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) text = absl::StrCat(kContainerHost, relative);
  const auto url = ParseUrl(text);
  if (!url.ok()) return AddContext(url.status(), "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  bool is_near = url->is_encrypted() || url->is_loopback();
  for (const std::string_view host : kContainerHosts) is_near |= url->host == host;
  if (!is_near) {
    return absl::FailedPreconditionError(
        absl::StrCat("AWS_CONTAINER_CREDENTIALS_FULL_URI names ", Quoted(url->shown()),
                     ", which is neither a container's endpoint nor https"));
  }
  HttpRequest request;
  request.url = url->text();
  std::string token = Get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string path = Get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
    ECF8_ASSIGN_OR_RETURN(token, ReadToken(path));
  }
  if (token.find_first_of("\r\n") != std::string::npos) {
    return absl::InvalidArgumentError("the container's authorization token has several lines");
  }
  if (!token.empty()) request.secret_headers = {absl::StrCat("Authorization: ", token)};
  const absl::StatusOr<std::string> answer = Ask(ForTheLink(), std::move(request));
  return KeyFrom(answer, ParseAwsKeyJson, "a key of the container");
}

// IMDSv2:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
AwsAccess::Found AwsAccess::FromInstance() const {
  constexpr char kNowhere[] =
      "there is no AWS key: not in the environment, in a profile, for a web identity, of a "
      "container, or of an EC2 instance";
  if (absl::EqualsIgnoreCase(Get("AWS_EC2_METADATA_DISABLED"), "true")) {
    return absl::NotFoundError(kNowhere);
  }
  std::string host = Get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (host.empty()) host = kInstanceHost;
  while (host.ends_with('/')) host.pop_back();
  HttpRequest ask_token;
  ask_token.url = absl::StrCat(host, "/latest/api/token");
  ask_token.is_put = true;
  ask_token.secret_headers = {"X-aws-ec2-metadata-token-ttl-seconds: 300"};
  const auto token = Ask(ForTheLink(), std::move(ask_token));
  if (absl::IsUnavailable(token.status())) return absl::NotFoundError(kNowhere);
  if (!token.ok()) return AddContext(token.status(), "the instance's metadata");
  if (token->find_first_of("\r\n") != std::string::npos) {
    return absl::InvalidArgumentError("the instance's metadata: its token has several lines");
  }
  const auto get = [&](const std::string& path) {
    HttpRequest request;
    request.url = absl::StrCat(host, "/latest/meta-data/iam/security-credentials/", path);
    request.secret_headers = {absl::StrCat("X-aws-ec2-metadata-token: ", *token)};
    return Ask(ForTheLink(), std::move(request));
  };
  const absl::StatusOr<std::string> role = get("");
  if (absl::IsNotFound(role.status())) return absl::NotFoundError(kNowhere);  // it has no role
  if (!role.ok()) return AddContext(role.status(), "the instance's role");
  const std::string first(absl::StripAsciiWhitespace(role->substr(0, role->find('\n'))));
  const absl::StatusOr<std::string> answer = get(UrlEncoded(first, /*is_path=*/false));
  return KeyFrom(answer, ParseAwsKeyJson, "the instance's key");
}

}  // namespace ecf8
