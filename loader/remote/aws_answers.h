// What AWS's services and files say about keys. Input is untrusted.
#ifndef ECF8_LOADER_REMOTE_AWS_ANSWERS_H_
#define ECF8_LOADER_REMOTE_AWS_ANSWERS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/remote/http_client.h"

namespace ecf8 {

// The answer of a container's endpoint or of the instance's metadata: {"AccessKeyId": ...,
// "SecretAccessKey": ..., "Token": ...}. INVALID_ARGUMENT where a key is not in it, or is none; the
// message holds nothing of it. The region is left empty.
absl::StatusOr<AwsKey> ParseAwsKeyJson(std::string_view json);

// STS's answer to AssumeRoleWithWebIdentity (XML). As above.
absl::StatusOr<AwsKey> ParseAwsKeyXml(std::string_view xml);

// The content of the first <name> element without elements in it; empty where there is none.
std::string XmlText(std::string_view xml, std::string_view name);

// Of a section of ~/.aws/credentials or ~/.aws/config.
struct AwsSection {
  bool exists = false;
  std::map<std::string, std::string> settings;  // names in lower case

  // Empty where it is not set.
  std::string Get(const std::string& name) const;
};

// That which is called `section`, as in "default" or "profile other". Lines that are no settings of
// its own, as those of a nested one, are passed over.
AwsSection ParseAwsSection(std::string_view file, std::string_view section);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_AWS_ANSWERS_H_
