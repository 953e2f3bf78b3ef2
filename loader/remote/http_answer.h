// What an answer of a server means for the request that it answers. Input is untrusted.
#ifndef ECF8_LOADER_REMOTE_HTTP_ANSWER_H_
#define ECF8_LOADER_REMOTE_HTTP_ANSWER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "loader/remote/url.h"

namespace ecf8 {

// A part of an object, of at least 1 byte.
struct HttpRange {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

// As far as it decides what is done next.
struct HttpAnswer {
  int code = 0;  // HTTP's; 0 where none came
  std::string content_range{};
  std::optional<uint64_t> content_length{};
  std::string retry_after{};
  std::string date{};
  std::string location{};  // absolute
  std::string link{};
  std::string error_body{};  // the beginning of what came instead of the object
  uint64_t body_bytes = 0;   // of the object
};

struct HttpJudgement {
  enum class Kind : uint8_t {
    kDone,
    kRedirect,  // to `location`
    kRetry,     // `status` says what was wrong; another attempt may go well
    kRefused,   // it will not
  };
  Kind kind = Kind::kRefused;
  absl::Status status{};
  std::optional<int64_t> retry_after_ms{};
  uint64_t object_size_bytes = 0;  // of a range: of the whole object
};

// Whether the body that follows is that of the object: 206 with just the range that was asked for,
// or 200 with the whole object where that was asked for. What else comes is no weights.
bool IsObjectBody(const HttpAnswer& answer, const std::optional<HttpRange>& range);

// Of an answer that came to its end. Messages tell the code, not the URL.
HttpJudgement Judge(const HttpAnswer& answer, const std::optional<HttpRange>& range);

// Whether a redirect from `from` to `to` may be followed: never from https to http, nor to plain
// http on another machine where that is not `insecure`. FAILED_PRECONDITION.
absl::Status CheckRedirect(const Url& from, const Url& to, bool insecure);

// Whether a request may be made at all. FAILED_PRECONDITION for plain http to another machine.
absl::Status CheckEncrypted(const Url& url, bool insecure);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HTTP_ANSWER_H_
