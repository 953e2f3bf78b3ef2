// A model in a bucket of S3, or of what speaks as it does: as on a web server (web_layout.h), with
// every request signed.
#ifndef ECF8_LOADER_REMOTE_S3_LAYOUT_H_
#define ECF8_LOADER_REMOTE_S3_LAYOUT_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/remote/aws_access.h"
#include "loader/remote/http_source.h"

namespace ecf8 {

struct S3Address {
  std::string bucket;
  std::string path;  // of the directory or the first shard: "a/b"; may be empty
};

// "s3://BUCKET/PATH". INVALID_ARGUMENT; a bucket's name is one by S3's own rules.
absl::StatusOr<S3Address> ParseS3Address(std::string_view text);

// The URL that a path in the bucket has, without a path of an empty one: at `endpoint`, as
// "ENDPOINT/BUCKET/PATH", or, where that is empty, at AWS's for the region.
std::string S3Url(const S3Address& address, const std::string& endpoint, const std::string& region);

// The errors of MakeWebLayout. ListShards looks for the key first, with the errors of
// AwsAccess::Renew.
absl::StatusOr<std::unique_ptr<HttpLayout>> MakeS3Layout(const S3Address& address,
                                                         std::unique_ptr<AwsAccess> access);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_S3_LAYOUT_H_
