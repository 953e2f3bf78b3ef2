// URLs: where a model lies, and whom a request is made to.
#ifndef ECF8_LOADER_REMOTE_URL_H_
#define ECF8_LOADER_REMOTE_URL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ecf8 {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address in brackets
  uint16_t port = 0;   // never 0 after ParseUrl
  std::string path;    // encoded, begins with '/'
  std::string query;   // encoded, without the '?'

  bool is_encrypted() const { return scheme == "https"; }
  // Whether plain HTTP to it stays on this machine: localhost, 127.0.0.0/8, ::1.
  bool is_loopback() const;
  bool HasOriginOf(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }

  std::string text() const;
  // For messages: without the query, in which signatures stand.
  std::string shown() const;
};

// INVALID_ARGUMENT for what is no absolute http or https URL, and for one with a user in it:
// a password would stand in command lines and logs. A fragment is dropped.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// Every byte encoded but letters, digits, "-._~", and '/' where that `is_path`.
std::string UrlEncoded(std::string_view text, bool is_path);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_URL_H_
