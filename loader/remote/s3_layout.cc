#include "loader/remote/s3_layout.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/remote/url.h"
#include "loader/remote/web_layout.h"

namespace ecf8 {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr size_t kLeastBucketBytes = 3;
constexpr size_t kMostBucketBytes = 63;
constexpr size_t kMostPathBytes = 1024;

// "Bucket naming rules" of S3's user guide, as far as they keep a name one component of a URL.
bool IsBucketName(std::string_view name) {
  const auto is_end = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c));
  };
  return name.size() >= kLeastBucketBytes && name.size() <= kMostBucketBytes &&
         is_end(name.front()) && is_end(name.back()) && name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_end(c) || c == '-' || c == '.'; });
}

class S3Layout final : public HttpLayout {
 public:
  S3Layout(std::unique_ptr<AwsAccess> access, std::unique_ptr<HttpLayout> web, std::string shown)
      : access_(std::move(access)), web_(std::move(web)), shown_(std::move(shown)) {}

  std::string shown() const override { return shown_; }
  absl::StatusOr<std::vector<std::string>> ListShards(HttpClient& client) override {
    const absl::Status found = access_->Renew();
    if (!found.ok()) return AddContext(found, shown_);
    return web_->ListShards(client);
  }
  HttpRequest RequestFor(const std::string& path) const override { return web_->RequestFor(path); }

 private:
  const std::unique_ptr<AwsAccess> access_;
  const std::unique_ptr<HttpLayout> web_;
  const std::string shown_;
};

}  // namespace

absl::StatusOr<S3Address> ParseS3Address(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text), " is not s3://BUCKET/PATH: ", ToAbsl(why)));
  };
  if (!text.starts_with(kScheme)) return bad("its scheme");
  std::string_view rest = text.substr(kScheme.size());
  S3Address address;
  address.bucket = rest.substr(0, rest.find('/'));
  if (!IsBucketName(address.bucket)) return bad("no name of a bucket");
  rest.remove_prefix(std::min(rest.size(), address.bucket.size() + 1));
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.size() > kMostPathBytes || !IsValidUtf8(rest) ||
      rest.find('\0') != std::string_view::npos) {
    return bad("its path");
  }
  // curl would take them for steps in a tree, and S3 has none.
  for (std::string_view left = rest; !left.empty();) {
    const std::string_view part = left.substr(0, left.find('/'));
    if (part.empty() || part == "." || part == "..") return bad("its path");
    left.remove_prefix(std::min(left.size(), part.size() + 1));
  }
  address.path = rest;
  return address;
}

std::string S3Url(const S3Address& address, const std::string& endpoint,
                  const std::string& region) {
  std::string base = endpoint;
  while (base.ends_with('/')) base.pop_back();
  if (base.empty()) {
    // A certificate for *.s3.REGION.amazonaws.com is not for names with dots.
    const bool has_dots = address.bucket.find('.') != std::string::npos;
    const std::string host = absl::StrCat("s3.", region, ".amazonaws.com");
    base = has_dots ? absl::StrCat("https://", host, "/", address.bucket)
                    : absl::StrCat("https://", address.bucket, ".", host);
  } else {
    absl::StrAppend(&base, "/", address.bucket);
  }
  return absl::StrCat(base, "/", UrlEncoded(address.path, /*is_path=*/true));
}

absl::StatusOr<std::unique_ptr<HttpLayout>> MakeS3Layout(const S3Address& address,
                                                         std::unique_ptr<AwsAccess> access) {
  const std::string url = S3Url(address, access->endpoint(), access->region());
  ECF8_ASSIGN_OR_RETURN(
      std::unique_ptr<HttpLayout> web,
      MakeWebLayout(url, [raw = access.get()](HttpRequest& request) { raw->Sign(request); }));
  std::string shown = absl::StrCat(ToAbsl(kScheme), address.bucket, "/", address.path);
  return std::make_unique<S3Layout>(std::move(access), std::move(web), std::move(shown));
}

}  // namespace ecf8
