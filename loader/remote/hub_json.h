// Answers of the API of Hugging Face's hub. Input is untrusted.
#ifndef ECF8_LOADER_REMOTE_HUB_JSON_H_
#define ECF8_LOADER_REMOTE_HUB_JSON_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ecf8 {

// Of the answer about a revision: the commit that it stands for, 40 hexadecimal digits.
// INVALID_ARGUMENT.
absl::StatusOr<std::string> ParseHubCommit(std::string_view json);

// Of a page of the list of a repository's files: the paths of those that are files, in its order.
// INVALID_ARGUMENT for what is no such list, and for paths that are none.
absl::StatusOr<std::vector<std::string>> ParseHubTree(std::string_view json);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HUB_JSON_H_
