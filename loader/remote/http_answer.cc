#include "loader/remote/http_answer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "loader/remote/http_fields.h"

namespace ecf8 {
namespace {

using Kind = HttpJudgement::Kind;

bool IsRedirect(int code) {
  return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

// Faults that pass. 408 and 425: the request came too slowly, or too early.
bool MayPass(int code) {
  return code == 408 || code == 425 || code == 429 || code == 500 || code == 502 || code == 503 ||
         code == 504;
}

absl::Status StatusOf(const HttpAnswer& answer) {
  const auto status = [&answer](absl::StatusCode code, std::string_view what) {
    std::string message = absl::StrCat("HTTP ", answer.code, ", ", ToAbsl(what));
    if (!answer.error_body.empty()) {
      absl::StrAppend(&message, ": ", Quoted(answer.error_body, 300));
    }
    return absl::Status(code, message);
  };
  switch (answer.code) {
    case 401:
      return status(absl::StatusCode::kUnauthenticated, "a token is missing, wrong or expired");
    case 403:
      return status(absl::StatusCode::kPermissionDenied,
                    "refused: not allowed, or a token or signature that has expired");
    case 404:
    case 410:
      return status(absl::StatusCode::kNotFound, "there is no such file");
    case 416:
      return status(absl::StatusCode::kDataLoss, "the file is shorter than it should be");
    case 429:
      return status(absl::StatusCode::kUnavailable, "too many requests");
    default:
      break;
  }
  if (MayPass(answer.code)) return status(absl::StatusCode::kUnavailable, "the server's fault");
  if (IsRedirect(answer.code)) {  // S3's, of a bucket in another region
    return status(absl::StatusCode::kFailedPrecondition, "a redirect to nowhere");
  }
  return status(absl::StatusCode::kFailedPrecondition, "not an answer that is understood");
}

HttpJudgement JudgeRange(const HttpAnswer& answer, const HttpRange& range) {
  if (!IsObjectBody(answer, range)) {
    if (answer.code == 200) {
      return {Kind::kRefused, absl::FailedPreconditionError(
                                  "the server does not send parts of files (RFC 9110, 14.2)")};
    }
    return {Kind::kRetry, absl::DataLossError(absl::StrCat("another part came than was asked for: ",
                                                           Quoted(answer.content_range, 100)))};
  }
  if (answer.body_bytes != range.size_bytes) {
    return {Kind::kRetry,
            absl::UnavailableError(absl::StrCat("the body ended after ", answer.body_bytes, " of ",
                                                range.size_bytes, " bytes"))};
  }
  HttpJudgement done = {Kind::kDone};
  const auto content = ParseContentRange(answer.content_range);
  done.object_size_bytes = content ? content->total_bytes : range.size_bytes;
  return done;
}

}  // namespace

bool IsObjectBody(const HttpAnswer& answer, const std::optional<HttpRange>& range) {
  if (!range) return answer.code == 200;
  if (answer.code == 200) {
    return range->offset_bytes == 0 && answer.content_length == range->size_bytes;
  }
  if (answer.code != 206) return false;
  const auto content = ParseContentRange(answer.content_range);
  return content && content->offset_bytes == range->offset_bytes &&
         content->size_bytes == range->size_bytes;
}

HttpJudgement Judge(const HttpAnswer& answer, const std::optional<HttpRange>& range) {
  if (IsRedirect(answer.code) && !answer.location.empty()) {
    return {Kind::kRedirect, absl::OkStatus()};
  }
  if (answer.code == 200 || answer.code == 206) {
    if (range) return JudgeRange(answer, *range);
    if (answer.code == 200) return {Kind::kDone, absl::OkStatus()};
  }
  HttpJudgement judgement = {MayPass(answer.code) ? Kind::kRetry : Kind::kRefused,
                             StatusOf(answer)};
  judgement.retry_after_ms = ParseRetryAfterMs(answer.retry_after, answer.date);
  return judgement;
}

absl::Status CheckEncrypted(const Url& url, bool insecure) {
  if (url.is_encrypted() || url.is_loopback() || insecure) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "plain http to another machine, on which anybody on the way can put other weights in their "
      "place: use https, or --insecure");
}

absl::Status CheckRedirect(const Url& from, const Url& to, bool insecure) {
  if (from.is_encrypted() && !to.is_encrypted()) {
    return absl::FailedPreconditionError(
        absl::StrCat("redirected from https to plain http, ", Quoted(to.shown())));
  }
  return AddContext(CheckEncrypted(to, insecure),
                    absl::StrCat("redirected to ", Quoted(to.shown())));
}

}  // namespace ecf8
