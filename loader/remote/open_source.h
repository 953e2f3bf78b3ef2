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
  std::string token{};  // for http(s)
};

// https://HOST/DIRECTORY, http://HOST/DIRECTORY (web_layout.h) or hf://ORGANISATION/MODEL@REVISION
// (hub_layout.h). INVALID_ARGUMENT for any other; where the environment names a file with a token,
// the errors of reading it. Nothing is asked of anybody yet.
absl::StatusOr<std::unique_ptr<ObjectSource>> OpenObjectSource(std::string_view address,
                                                               const SourceOptions& options);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_OPEN_SOURCE_H_
