// The key that requests to S3 are signed with, as AWS's own tools find it.
#ifndef ECF8_LOADER_REMOTE_AWS_ACCESS_H_
#define ECF8_LOADER_REMOTE_AWS_ACCESS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/remote/aws_answers.h"
#include "loader/remote/http_client.h"

namespace ecf8 {

// The value of a variable; empty where there is none.
using AwsEnvironment = std::function<std::string(const std::string& name)>;

// Where keys are found, the first of these that says that it has one:
//   1. the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
//   2. AWS_PROFILE ("default") in the files AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and
//      AWS_CONFIG_FILE (~/.aws/config);
//   3. a web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, for which STS gives a key;
//   4. a container's endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI;
//   5. the metadata of an EC2 instance (IMDSv2), unless AWS_EC2_METADATA_DISABLED is "true".
// One that says so and then does not give it is an error, and the next one is not asked: a job
// would run as somebody else.
//
// Thread-compatible.
class AwsAccess {
 public:
  // `http`: whom to believe, and what cancels. `is_anonymous`: no key is looked for, nothing is
  // signed.
  AwsAccess(HttpOptions http, AwsEnvironment environment, bool is_anonymous);

  const std::string& region() const { return region_; }
  // Of S3, where another one is named (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL); else empty.
  const std::string& endpoint() const { return endpoint_; }

  // Finds a key. NOT_FOUND where there is none, and where it was looked for; INVALID_ARGUMENT,
  // FAILED_PRECONDITION for settings that are not understood; the errors of files and requests.
  // No message holds a key.
  absl::Status Renew();

  // Signs a request, with a key that lasts for some minutes. Where a new one is due and does not
  // come, with the old one: the server will say so.
  void Sign(HttpRequest& request);

 private:
  using Found = absl::StatusOr<AwsKey>;

  std::string Get(const std::string& name) const { return environment_(name); }
  void ReadProfile();
  bool ProfileHasKey() const;  // or says how to come by one
  Found Find();
  Found FromEnvironment() const;
  Found FromProfile() const;
  Found FromWebIdentity() const;
  Found FromContainer() const;
  Found FromInstance() const;
  HttpOptions ForTheLink() const;

  const HttpOptions http_;
  const AwsEnvironment environment_;
  const bool is_anonymous_;
  absl::Status profile_status_;
  AwsSection profile_;  // from both files
  std::string region_;
  std::string endpoint_;
  std::optional<AwsKey> key_;
  bool is_fleeting_ = false;  // it ends some day, and there will be another
  int64_t renew_after_ns_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_AWS_ACCESS_H_
