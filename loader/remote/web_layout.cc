#include "loader/remote/web_layout.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/weight_index.h"

namespace ecf8 {
namespace {

constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kSingleShard[] = "model.safetensors";
constexpr std::string_view kShardSuffix = ".safetensors";
constexpr size_t kMaxTokenBytes = 4096;

class WebLayout final : public HttpLayout {
 public:
  WebLayout(std::string base, std::string shard, AuthorizeRequest authorize)
      : base_(std::move(base)), shard_(std::move(shard)), authorize_(std::move(authorize)) {}

  std::string shown() const override { return base_ + shard_; }

  absl::StatusOr<std::vector<std::string>> ListShards(HttpClient& client) override {
    if (!shard_.empty()) return std::vector<std::string>{shard_};
    HttpRequest request = RequestFor(kIndex);
    request.max_body_bytes = kMaxWeightIndexBytes;
    const HttpEnd end = client.Run(std::move(request));
    if (absl::IsNotFound(end.status)) return std::vector<std::string>{kSingleShard};
    ECF8_RETURN_IF_ERROR(end.status);
    auto shards = ShardsOfIndex(end.body);
    if (!shards.ok()) return AddContext(shards.status(), absl::StrCat(base_, kIndex));
    return shards;
  }

  HttpRequest RequestFor(const std::string& path) const override {
    HttpRequest request;
    request.url = base_ + UrlEncoded(path, /*is_path=*/true);
    authorize_(request);
    return request;
  }

 private:
  const std::string base_;   // ends with '/'
  const std::string shard_;  // the one that was named; else empty
  const AuthorizeRequest authorize_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ShardsOfIndex(std::string_view json) {
  ECF8_ASSIGN_OR_RETURN(const WeightIndex index, ParseWeightIndex(json));
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index.shard_of) shards.insert(shard);
  return std::vector<std::string>(shards.begin(), shards.end());
}

absl::StatusOr<std::vector<std::string>> BearerHeaders(std::string_view token) {
  if (token.empty()) return std::vector<std::string>{};
  const bool printable = std::all_of(token.begin(), token.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (!printable || token.size() > kMaxTokenBytes) {
    return absl::InvalidArgumentError(
        "the token is not 1 to 4096 printable characters without spaces");
  }
  return std::vector<std::string>{absl::StrCat("Authorization: Bearer ", ToAbsl(token))};
}

absl::StatusOr<std::unique_ptr<HttpLayout>> MakeWebLayout(std::string_view url,
                                                          AuthorizeRequest authorize) {
  ECF8_ASSIGN_OR_RETURN(Url parsed, ParseUrl(url));
  if (!parsed.query.empty()) {
    return absl::InvalidArgumentError(
        "a URL with a query is that of one file; a model has several, so give its directory's");
  }
  std::string shard;
  if (std::string_view(parsed.path).ends_with(kShardSuffix)) {
    const size_t slash = parsed.path.rfind('/');
    shard = parsed.path.substr(slash + 1);
    parsed.path.resize(slash);
    if (!IsShardName(shard) || shard.find('%') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(shard), " is not the name of a shard"));
    }
  }
  std::string base = parsed.text();
  if (base.back() != '/') base += '/';
  return std::make_unique<WebLayout>(std::move(base), std::move(shard), std::move(authorize));
}

}  // namespace ecf8
