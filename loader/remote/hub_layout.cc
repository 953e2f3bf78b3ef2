#include "loader/remote/hub_layout.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/environment.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/directory_listing.h"
#include "loader/checkpoint/weight_index.h"
#include "loader/model/other_files.h"
#include "loader/remote/http_fields.h"
#include "loader/remote/hub_json.h"
#include "loader/remote/web_layout.h"

namespace ecf8 {
namespace {

constexpr std::string_view kScheme = "hf://";
constexpr char kDefaultEndpoint[] = "https://huggingface.co";
constexpr uint64_t kMaxTokenFileBytes = 4096;
constexpr uint64_t kMaxAnswerBytes = 32 << 20;
constexpr size_t kMaxNameBytes = 96;  // the hub's own limit
constexpr size_t kMaxRevisionBytes = 255;

// A part of a repository's name, by the hub's own rules, or stricter.
bool IsHubName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
                  c == '.';
         });
}

std::string TokenPath() {
  std::string path = Environment("HF_TOKEN_PATH");
  if (!path.empty()) return path;
  std::string home = Environment("HF_HOME");
  if (home.empty()) {
    std::string cache = Environment("XDG_CACHE_HOME");
    if (cache.empty()) cache = absl::StrCat(Environment("HOME"), "/.cache");
    home = absl::StrCat(cache, "/huggingface");
  }
  return absl::StrCat(home, "/token");
}

class HubLayout final : public HttpLayout {
 public:
  HubLayout(Url endpoint, HubAddress address, std::vector<std::string> secrets)
      : endpoint_(std::move(endpoint)),
        base_(endpoint_.text()),
        address_(std::move(address)),
        commit_(address_.revision),
        secrets_(std::move(secrets)) {
    while (base_.ends_with('/')) base_.pop_back();
  }

  std::string shown() const override {
    return absl::StrCat(ToAbsl(kScheme), address_.repository, "@", address_.revision);
  }

  absl::StatusOr<std::vector<std::string>> ListShards(HttpClient& client) override {
    const std::string api = absl::StrCat(base_, "/api/models/", address_.repository);
    const HttpEnd revision =
        Ask(client, absl::StrCat(api, "/revision/", UrlEncoded(address_.revision, false)));
    ECF8_RETURN_IF_ERROR(AddContext(revision.status, shown()));
    auto commit = ParseHubCommit(revision.body);
    if (!commit.ok()) return Misunderstood(commit.status());
    commit_ = *std::move(commit);
    std::vector<std::string> shards;
    size_t files = 0;
    for (std::string page = absl::StrCat(api, "/tree/", commit_, "?recursive=true");
         !page.empty();) {
      const HttpEnd tree = Ask(client, page);
      ECF8_RETURN_IF_ERROR(AddContext(tree.status, shown()));
      auto paths = ParseHubTree(tree.body);
      if (!paths.ok()) return Misunderstood(paths.status());
      files += paths->size();
      if (paths->empty() || files > kMaxDirectoryEntries) break;
      for (std::string& path : *paths) {
        if (IsShardName(path)) shards.push_back(std::move(path));
      }
      ECF8_ASSIGN_OR_RETURN(page, NextPage(tree.link));
    }
    std::sort(shards.begin(), shards.end());
    return shards;
  }

  HttpRequest RequestFor(const std::string& path) const override {
    HttpRequest request;
    request.url = absl::StrCat(base_, "/", address_.repository, "/resolve/",
                               UrlEncoded(commit_, /*is_path=*/false), "/",
                               UrlEncoded(path, /*is_path=*/true));
    request.secret_headers = secrets_;
    return request;
  }

 private:
  HttpEnd Ask(HttpClient& client, const std::string& url) const {
    HttpRequest request;
    request.url = url;
    request.secret_headers = secrets_;
    request.max_body_bytes = kMaxAnswerBytes;
    return client.Run(std::move(request));
  }

  // The token goes with it: it must be the same server's.
  absl::StatusOr<std::string> NextPage(const std::string& link) const {
    const std::string next = NextLink(link);
    if (next.empty()) return next;
    const absl::StatusOr<Url> url = ParseUrl(next);
    if (!url.ok() || !url->HasOriginOf(endpoint_)) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown(), ": the list of files goes on elsewhere"));
    }
    return url->text();
  }

  absl::Status Misunderstood(const absl::Status& status) const {
    return absl::DataLossError(
        absl::StrCat(shown(), ": not an answer of the hub's: ", status.message()));
  }

  const Url endpoint_;
  std::string base_;  // without '/' at the end
  const HubAddress address_;
  std::string commit_;
  const std::vector<std::string> secrets_;
};

}  // namespace

absl::StatusOr<HubAddress> ParseHubAddress(std::string_view text) {
  const auto bad = [text] {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text), " is not hf://ORGANISATION/MODEL[@REVISION]"));
  };
  if (!text.starts_with(kScheme)) return bad();
  std::string_view rest = text.substr(kScheme.size());
  HubAddress address{.repository = {}, .revision = "main"};
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    address.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (address.revision.empty() || address.revision.size() > kMaxRevisionBytes ||
        !IsValidUtf8(address.revision) || address.revision.find('\0') != std::string::npos) {
      return bad();
    }
  }
  address.repository = rest;
  const size_t slash = rest.find('/');
  const bool valid = slash == std::string_view::npos
                         ? IsHubName(rest)
                         : IsHubName(rest.substr(0, slash)) && IsHubName(rest.substr(slash + 1));
  if (!valid) return bad();
  return address;
}

absl::StatusOr<HubAccess> HubAccess::FromEnvironment() {
  HubAccess access;
  access.endpoint = Environment("HF_ENDPOINT");
  if (access.endpoint.empty()) access.endpoint = kDefaultEndpoint;
  access.token = Environment("HF_TOKEN");
  if (!access.token.empty()) return access;
  absl::StatusOr<std::string> token = ReadFile(TokenPath(), kMaxTokenFileBytes);
  if (absl::IsNotFound(token.status())) return access;
  if (!token.ok()) return token.status();
  access.token = std::string(absl::StripAsciiWhitespace(*token));
  return access;
}

absl::StatusOr<std::unique_ptr<HttpLayout>> MakeHubLayout(const HubAddress& address,
                                                          const HubAccess& access) {
  ECF8_ASSIGN_OR_RETURN(Url endpoint, ParseUrl(access.endpoint));
  if (!endpoint.query.empty()) return absl::InvalidArgumentError("HF_ENDPOINT has a query");
  ECF8_ASSIGN_OR_RETURN(std::vector<std::string> secrets, BearerHeaders(access.token));
  return std::make_unique<HubLayout>(std::move(endpoint), address, std::move(secrets));
}

}  // namespace ecf8
