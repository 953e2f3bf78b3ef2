// A directory of files on an ordinary web server, which lists nothing: its index, or its one shard,
// has a known name; the rest stands in the manifest.
#ifndef ECF8_LOADER_REMOTE_WEB_LAYOUT_H_
#define ECF8_LOADER_REMOTE_WEB_LAYOUT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/remote/http_source.h"

namespace ecf8 {

// Adds to a request what its server answers to.
using AuthorizeRequest = std::function<void(HttpRequest&)>;

// `url`: that of the directory, with "model.safetensors.index.json" or "model.safetensors" in it,
// or that of a .safetensors file, the first shard of a model with other names. INVALID_ARGUMENT for
// no URL, and for one with a query.
absl::StatusOr<std::unique_ptr<HttpLayout>> MakeWebLayout(std::string_view url,
                                                          AuthorizeRequest authorize);

// The names of the shards that the index lists, each once and sorted. INVALID_ARGUMENT.
absl::StatusOr<std::vector<std::string>> ShardsOfIndex(std::string_view json);

// "Authorization: Bearer TOKEN", or none for an empty one. INVALID_ARGUMENT for one of other than
// at most 4096 printable characters without spaces; the message does not hold it.
absl::StatusOr<std::vector<std::string>> BearerHeaders(std::string_view token);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_WEB_LAYOUT_H_
