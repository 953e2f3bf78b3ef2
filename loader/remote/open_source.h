// The source behind an address, by its scheme.
#ifndef ECF8_LOADER_REMOTE_OPEN_SOURCE_H_
#define ECF8_LOADER_REMOTE_OPEN_SOURCE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/remote/http_client.h"
#include "loader/remote/object_source.h"

namespace ecf8 {

struct SourceOptions {
  HttpOptions http{};
  std::string token{};         // for http(s), as a bearer's; empty: none
  bool signs_requests = true;  // to s3
};

// https://HOST/DIRECTORY, http://HOST/DIRECTORY (web_layout.h), hf://ORGANISATION/MODEL@REVISION
// (hub_layout.h) or s3://BUCKET/PATH (s3_layout.h). INVALID_ARGUMENT for any other, and for a token
// that no header can hold; where the environment names a file with a token, the errors of reading
// it. Nothing is asked of anybody yet.
absl::StatusOr<std::unique_ptr<ObjectSource>> OpenObjectSource(std::string_view address,
                                                               const SourceOptions& options);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_OPEN_SOURCE_H_
