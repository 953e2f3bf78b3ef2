#include "loader/remote/http_transfer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

using Kind = HttpJudgement::Kind;

constexpr size_t kMaxHeaderBytes = 256 * 1024;
constexpr size_t kMaxErrorBodyBytes = 4096;  // that are kept
constexpr size_t kMaxDroppedBytes = 1 << 20;
constexpr long kBufferBytes = 512 * 1024;  // the most that curl allows
constexpr long kSlowestBytesPerSecond = 512;

std::string Field(CURL* handle, const char* name) {
  curl_header* header = nullptr;
  // -1: of the last answer, where there were several (100 Continue, a proxy's).
  if (curl_easy_header(handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return "";
  return header->value;
}

// Whether another attempt may go well.
bool MayPass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpTransfer>> HttpTransfer::Create() {
  CURL* const handle = curl_easy_init();
  if (handle == nullptr) return absl::ResourceExhaustedError("no memory for a connection");
  return std::unique_ptr<HttpTransfer>(new HttpTransfer(handle));
}

void HttpTransfer::Begin(const HttpOptions& options, const HttpRequest& request, const Url& url,
                         bool with_secrets) {
  CURL* const handle = handle_.get();
  curl_easy_reset(handle);  // connections stay: they are the multi handle's
  request_ = &request;
  answer_ = {};
  body_.clear();
  refusal_.clear();
  header_bytes_ = 0;
  dropped_bytes_ = 0;
  has_fields_ = false;
  is_object_ = false;
  error_[0] = '\0';

  curl_easy_setopt(handle, CURLOPT_URL, url.text().c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, url.scheme.c_str());
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);  // redirects are the client's to judge
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  // A connection each: streams of one connection would share its losses.
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_path.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_path.c_str());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "ecf8/" ECF8_VERSION);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout_ms));
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, kBufferBytes);
  if (options.max_rate_bytes_per_second > 0) {
    curl_easy_setopt(handle, CURLOPT_MAX_RECV_SPEED_LARGE,
                     static_cast<curl_off_t>(options.max_rate_bytes_per_second));
  }
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kSlowestBytesPerSecond);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                   std::max<long>(static_cast<long>(options.stall_timeout_ms / 1000), 1));
  if (request.range) {
    const std::string range =
        absl::StrCat(request.range->offset_bytes, "-",
                     request.range->offset_bytes + request.range->size_bytes - 1);
    curl_easy_setopt(handle, CURLOPT_RANGE, range.c_str());
  }
  if (request.is_put) {
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(0));
  }
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &HttpTransfer::OnBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &HttpTransfer::OnHeader);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  SetHeaders(request, with_secrets);
}

void HttpTransfer::SetHeaders(const HttpRequest& request, bool with_secrets) {
  headers_.reset();
  const auto add = [this](const std::string& header) {
    curl_slist* const longer = curl_slist_append(headers_.get(), header.c_str());
    if (longer == nullptr) return;
    headers_.release();  // `longer` is the same list, or its first entry
    headers_.reset(longer);
  };
  // A range of what a server has compressed on the way would be another range.
  add("Accept-Encoding: identity");
  if (with_secrets) {
    for (const std::string& header : request.secret_headers) add(header);
    if (request.key) {
      SetKey(*request.key);
      add("x-amz-content-sha256: UNSIGNED-PAYLOAD");  // there is none
      if (!request.key->session_token.empty()) {
        add(absl::StrCat("x-amz-security-token: ", request.key->session_token));
      }
    }
  }
  curl_easy_setopt(handle_.get(), CURLOPT_HTTPHEADER, headers_.get());
}

void HttpTransfer::SetKey(const AwsKey& key) {
  const std::string how = absl::StrCat("aws:amz:", key.region, ":s3");
  curl_easy_setopt(handle_.get(), CURLOPT_AWS_SIGV4, how.c_str());
  curl_easy_setopt(handle_.get(), CURLOPT_USERNAME, key.id.c_str());
  curl_easy_setopt(handle_.get(), CURLOPT_PASSWORD, key.secret.c_str());
}

size_t HttpTransfer::OnHeader(char* /*data*/, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  transfer.header_bytes_ += size * count;
  if (transfer.header_bytes_ <= kMaxHeaderBytes) return size * count;
  transfer.refusal_ = "the answer has too many headers";
  return 0;
}

size_t HttpTransfer::OnBody(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  const size_t bytes = size * count;
  return transfer.Receive({reinterpret_cast<const uint8_t*>(data), bytes}) ? bytes : 0;
}

void HttpTransfer::ReadFields() {
  if (std::exchange(has_fields_, true)) return;
  CURL* const handle = handle_.get();
  long code = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
  answer_.code = static_cast<int>(code);
  curl_off_t length = -1;
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length >= 0) answer_.content_length = static_cast<uint64_t>(length);
  answer_.content_range = Field(handle, "Content-Range");
  answer_.retry_after = Field(handle, "Retry-After");
  answer_.date = Field(handle, "Date");
  answer_.link = Field(handle, "Link");
  const char* location = nullptr;
  curl_easy_getinfo(handle, CURLINFO_REDIRECT_URL, &location);
  if (location != nullptr) answer_.location = location;
  is_object_ = IsObjectBody(answer_, request_->range);
}

bool HttpTransfer::Receive(absl::Span<const uint8_t> bytes) {
  ReadFields();
  if (!is_object_) {
    const size_t kept = std::min(bytes.size(), kMaxErrorBodyBytes - answer_.error_body.size());
    answer_.error_body.append(reinterpret_cast<const char*>(bytes.data()), kept);
    dropped_bytes_ += bytes.size();
    // A whole object in the place of a part of it: none of it is wanted.
    if (answer_.code == 200) answer_.error_body.clear();
    if (dropped_bytes_ > kMaxDroppedBytes) refusal_ = "the answer is too long for an error";
    return refusal_.empty() && answer_.code != 200;
  }
  if (!request_->range) {
    if (bytes.size() > request_->max_body_bytes - body_.size()) {
      refusal_ = absl::StrCat("the answer has more than ", request_->max_body_bytes, " bytes");
      return false;
    }
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    answer_.body_bytes += bytes.size();
    return true;
  }
  if (bytes.size() > request_->out.size() - answer_.body_bytes) {
    refusal_ = "more bytes came than were asked for";
    return false;
  }
  std::memcpy(request_->out.data() + answer_.body_bytes, bytes.data(), bytes.size());
  answer_.body_bytes += bytes.size();
  return true;
}

HttpJudgement HttpTransfer::End(CURLcode result) {
  if (!refusal_.empty()) return {Kind::kRetry, absl::DataLossError(refusal_)};
  // A body that ends too early is judged by its length, with the code that came with it.
  const bool has_answer = result == CURLE_OK || result == CURLE_PARTIAL_FILE ||
                          (result == CURLE_WRITE_ERROR && answer_.code == 200);
  if (has_answer) {
    ReadFields();
    if (result == CURLE_PARTIAL_FILE && !request_->range) {
      return {Kind::kRetry, absl::UnavailableError("the body ended too early")};
    }
    return Judge(answer_, request_->range);
  }
  const std::string what = error_[0] != '\0' ? error_ : curl_easy_strerror(result);
  if (MayPass(result)) return {Kind::kRetry, absl::UnavailableError(what)};
  if (result == CURLE_PEER_FAILED_VERIFICATION) {
    return {Kind::kRefused, absl::UnauthenticatedError(what)};
  }
  return {Kind::kRefused, absl::FailedPreconditionError(what)};
}

}  // namespace ecf8
