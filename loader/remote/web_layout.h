// A directory of files on an ordinary web server, which lists nothing: its index, or its one shard,
// has a known name; the rest stands in the manifest.
#ifndef ECF8_LOADER_REMOTE_WEB_LAYOUT_H_
#define ECF8_LOADER_REMOTE_WEB_LAYOUT_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/remote/http_source.h"

namespace ecf8 {

// `url`: that of the directory, with "model.safetensors.index.json" or "model.safetensors" in it,
// or that of a .safetensors file, the first shard of a model with other names. `token`, where it is
// not empty, is sent as a bearer's. INVALID_ARGUMENT for no URL, for one with a query, and for a
// token that no header can hold.
absl::StatusOr<std::unique_ptr<HttpLayout>> MakeWebLayout(std::string_view url,
                                                          const std::string& token);

// The names of the shards that the index lists, each once and sorted. INVALID_ARGUMENT.
absl::StatusOr<std::vector<std::string>> ShardsOfIndex(std::string_view json);

// "Authorization: Bearer TOKEN", or none for an empty one. INVALID_ARGUMENT for one of other than
// at most 4096 printable characters without spaces; the message does not hold it.
absl::StatusOr<std::vector<std::string>> BearerHeaders(std::string_view token);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_WEB_LAYOUT_H_
