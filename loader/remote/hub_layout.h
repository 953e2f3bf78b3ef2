// A repository of Hugging Face's hub, or of a server that speaks its API.
#ifndef ECF8_LOADER_REMOTE_HUB_LAYOUT_H_
#define ECF8_LOADER_REMOTE_HUB_LAYOUT_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/remote/http_source.h"

namespace ecf8 {

// "hf://ORGANISATION/MODEL[@REVISION]": a branch (default "main"), a tag or a commit.
struct HubAddress {
  std::string repository;  // "ORGANISATION/MODEL", or "MODEL" of the hub's oldest
  std::string revision;

  bool operator==(const HubAddress&) const = default;
};

// INVALID_ARGUMENT.
absl::StatusOr<HubAddress> ParseHubAddress(std::string_view text);

// How the hub is asked, and as whom.
struct HubAccess {
  std::string endpoint;
  std::string token;  // empty: nobody's

  // As the hub's own client takes them: HF_ENDPOINT, or https://huggingface.co; HF_TOKEN, or the
  // file HF_TOKEN_PATH, or "token" in HF_HOME, or in huggingface/ of XDG_CACHE_HOME or ~/.cache.
  // The errors of reading a file that is there.
  static absl::StatusOr<HubAccess> FromEnvironment();
};

// INVALID_ARGUMENT for an endpoint or a token that is none. A branch stays at the commit that it
// stands for when its files are listed.
absl::StatusOr<std::unique_ptr<HttpLayout>> MakeHubLayout(const HubAddress& address,
                                                          const HubAccess& access);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HUB_LAYOUT_H_
