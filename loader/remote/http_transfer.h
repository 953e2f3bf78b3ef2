// One exchange with a server by libcurl: a request, and its answer judged.
#ifndef ECF8_LOADER_REMOTE_HTTP_TRANSFER_H_
#define ECF8_LOADER_REMOTE_HTTP_TRANSFER_H_

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/remote/http_answer.h"
#include "loader/remote/http_client.h"
#include "loader/remote/url.h"

namespace ecf8 {

// Thread-compatible. Used for one exchange after the other.
class HttpTransfer {
 public:
  // RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<HttpTransfer>> Create();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // Makes the handle ready for `request` at `url`, which is the request's own or one that it was
  // redirected to. Its secrets are sent where `with_secrets`. Borrows the options and the request
  // until End.
  void Begin(const HttpOptions& options, const HttpRequest& request, const Url& url,
             bool with_secrets);

  // What came of it, when curl has done its part.
  HttpJudgement End(CURLcode result);

  CURL* handle() const { return handle_.get(); }
  bool has_answer() const { return answer_.code != 0; }
  uint64_t received_bytes() const { return answer_.body_bytes; }  // of the object
  const std::string& location() const { return answer_.location; }
  const std::string& link() const { return answer_.link; }
  std::string TakeBody() { return std::move(body_); }
  std::string TakeErrorBody() { return std::move(answer_.error_body); }

 private:
  struct HandleDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };
  struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  explicit HttpTransfer(CURL* handle) : handle_(handle) {}

  void SetHeaders(const HttpRequest& request, bool with_secrets);
  void SetKey(const AwsKey& key);
  void ReadFields();
  bool Receive(absl::Span<const uint8_t> bytes);

  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);

  const std::unique_ptr<CURL, HandleDeleter> handle_;
  std::unique_ptr<curl_slist, ListDeleter> headers_;
  const HttpRequest* request_ = nullptr;
  HttpAnswer answer_;
  std::string body_;
  std::string refusal_;  // why no more of the answer was taken; empty: it was
  size_t header_bytes_ = 0;
  size_t dropped_bytes_ = 0;  // of a body that is not the object's
  bool has_fields_ = false;
  bool is_object_ = false;
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HTTP_TRANSFER_H_
