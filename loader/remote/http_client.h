// HTTP requests for whole small answers and for parts of large files, several at once, by libcurl.
//
// Redirects are followed within limits, what may pass is made again (retry_schedule.h), and every
// length is bounded. All happens in the caller's thread, in Next.
#ifndef ECF8_LOADER_REMOTE_HTTP_CLIENT_H_
#define ECF8_LOADER_REMOTE_HTTP_CLIENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/remote/http_answer.h"
#include "loader/remote/retry_schedule.h"
#include "loader/remote/url.h"

namespace ecf8 {

inline constexpr int kMaxConnections = 64;

struct HttpOptions {
  int connections = 8;                     // 1 to kMaxConnections
  uint64_t max_rate_bytes_per_second = 0;  // of all together; 0: no limit
  bool insecure = false;                   // plain http to other machines, too
  bool tells_secrets = false;              // and secrets over it: to what is on this machine's link
  std::string ca_path{};                   // PEM; empty: those whom the system believes
  int64_t connect_timeout_ms = 10'000;
  int64_t stall_timeout_ms = 30'000;  // so long next to nothing comes
  RetryOptions retry{};
  const std::atomic<bool>* cancel = nullptr;  // may be null
};

// What signs requests to S3, or to what speaks as it does (AWS Signature Version 4).
struct AwsKey {
  std::string region;
  std::string id;
  std::string secret;
  std::string session_token{};  // of a key that expires; else empty
};

struct HttpRequest {
  std::string url;
  bool is_put = false;  // of nothing; else GET
  // As "Name: value". This and the next: for the URL's own scheme, host and port alone, whatever it
  // redirects to, and never in the clear to another machine.
  std::vector<std::string> secret_headers{};
  std::optional<AwsKey> key{};
  // A part of a file, into `out`, which has just its size and is borrowed until the end; or else
  // the whole answer, of at most so many bytes.
  std::optional<HttpRange> range{};
  absl::Span<uint8_t> out{};
  uint64_t max_body_bytes = 0;
};

struct HttpEnd {
  uint64_t id = 0;
  // UNAVAILABLE (what may pass did not), NOT_FOUND, UNAUTHENTICATED (401, or a certificate),
  // PERMISSION_DENIED (403), DATA_LOSS (other bytes than asked for), FAILED_PRECONDITION (a
  // redirect that is not followed, a server that sends no ranges), CANCELLED, INVALID_ARGUMENT (no
  // URL). Errors name the URL without its query. Of what was refused, `body` is the beginning of
  // what the server said to that.
  absl::Status status{};
  uint64_t object_size_bytes = 0;  // of a range: that of the whole file
  std::string body{};              // of a whole answer; of a refusal, at most 4 KiB
  std::string link{};              // its Link field
};

// Thread-compatible.
class HttpClient {
 public:
  static absl::StatusOr<std::unique_ptr<HttpClient>> Create(const HttpOptions& options);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();  // as DropAll

  // The request's number. Any number may be in flight; options.connections of them at a time are
  // worked on.
  uint64_t Start(HttpRequest request);

  // Moves things along until one ends, at most for 200 ms. nullopt where none has.
  std::optional<HttpEnd> Next();

  // One alone, from beginning to end. Nothing else may be in flight.
  HttpEnd Run(HttpRequest request);

  // Ends what is in flight without a word; its memory is not written any more.
  void DropAll();

  size_t in_flight() const { return jobs_.size() + ended_.size(); }
  // What has come of those that are in flight.
  uint64_t in_flight_bytes() const;
  int retries() const { return schedule_.retries(); }

 private:
  struct Job;
  struct MultiDeleter {
    void operator()(void* multi) const;
  };

  HttpClient(const HttpOptions& options, void* multi);

  void BeginDue();
  void Begin(Job& job);
  void Settle(Job& job, int curl_code);
  void Redirect(Job& job);
  void Retry(Job& job, const HttpJudgement& judgement);
  void Finish(Job& job, absl::Status status, uint64_t object_size_bytes = 0);
  void CancelAll();
  int64_t WaitMs() const;

  const HttpOptions options_;
  const std::unique_ptr<void, MultiDeleter> multi_;
  RetrySchedule schedule_;
  std::map<uint64_t, std::unique_ptr<Job>> jobs_;  // by number, which is their order
  std::vector<std::unique_ptr<class HttpTransfer>> idle_;
  std::deque<HttpEnd> ended_;
  uint64_t next_id_ = 1;
  int working_ = 0;
  int64_t not_before_ns_ = 0;  // nothing begins earlier: a server asked for it, or the rate does
  bool has_answered_ = false;  // a server, once
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HTTP_CLIENT_H_
