#include "loader/remote/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/strings.h"
#include "loader/remote/http_transfer.h"

namespace ecf8 {
namespace {

constexpr int kMaxRedirects = 5;
constexpr int64_t kLongestWaitMs = 200;
constexpr int64_t kNsPerMs = 1'000'000;
// Of a server that has never answered: it is more likely that there is none.
constexpr int kFirstAttempts = 3;

}  // namespace

struct HttpClient::Job {
  uint64_t id = 0;
  HttpRequest request;
  Url own;  // the request's
  Url url;  // where it has been redirected to
  int redirects = 0;
  int failures = 0;
  int64_t not_before_ns = 0;
  std::unique_ptr<HttpTransfer> transfer;  // while it is worked on
};

void HttpClient::MultiDeleter::operator()(void* multi) const { curl_multi_cleanup(multi); }

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const HttpOptions& options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* const multi = initialised == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) return absl::ResourceExhaustedError("cannot start libcurl");
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.connections));
  return std::unique_ptr<HttpClient>(new HttpClient(options, multi));
}

HttpClient::HttpClient(const HttpOptions& options, void* multi)
    : options_(options), multi_(multi), schedule_(options.retry, std::random_device()()) {}

HttpClient::~HttpClient() { DropAll(); }

void HttpClient::DropAll() {
  CancelAll();
  ended_.clear();
}

uint64_t HttpClient::Start(HttpRequest request) {
  auto job = std::make_unique<Job>();
  job->id = next_id_++;
  job->request = std::move(request);
  absl::StatusOr<Url> url = ParseUrl(job->request.url);
  absl::Status status = url.status();
  if (url.ok()) {
    job->own = *std::move(url);
    job->url = job->own;
    status = CheckEncrypted(job->own, options_.insecure);
  }
  Job& started = *jobs_.emplace(job->id, std::move(job)).first->second;
  const uint64_t id = started.id;
  if (!status.ok()) Finish(started, std::move(status));
  return id;
}

HttpEnd HttpClient::Run(HttpRequest request) {
  Start(std::move(request));
  while (true) {
    std::optional<HttpEnd> end = Next();
    if (end) return *std::move(end);
  }
}

uint64_t HttpClient::in_flight_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, job] : jobs_) {
    if (job->transfer) bytes += job->transfer->received_bytes();
  }
  return bytes;
}

std::optional<HttpEnd> HttpClient::Next() {
  if (options_.cancel != nullptr && options_.cancel->load()) CancelAll();
  BeginDue();
  int running = 0;
  curl_multi_perform(multi_.get(), &running);
  int left = 0;
  while (CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* job = nullptr;
    const CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
    curl_multi_remove_handle(multi_.get(), message->easy_handle);
    --working_;
    Settle(*reinterpret_cast<Job*>(job), code);
  }
  if (!ended_.empty()) {
    HttpEnd end = std::move(ended_.front());
    ended_.pop_front();
    return end;
  }
  // Those that are to be made again, or come after others, begin at once where they may.
  BeginDue();
  if (!jobs_.empty()) {
    curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(WaitMs()), nullptr);
  }
  return std::nullopt;
}

int64_t HttpClient::WaitMs() const {
  int64_t wait_ms = kLongestWaitMs;
  if (working_ >= options_.connections) return wait_ms;
  const int64_t now_ns = NowNs();
  for (const auto& [id, job] : jobs_) {
    if (job->transfer) continue;
    const int64_t due_ns = std::max(job->not_before_ns, not_before_ns_);
    wait_ms = std::min(wait_ms, std::max<int64_t>((due_ns - now_ns) / kNsPerMs, 1));
  }
  return wait_ms;
}

void HttpClient::BeginDue() {
  const int64_t now_ns = NowNs();
  for (auto entry = jobs_.begin();
       entry != jobs_.end() && working_ < options_.connections && not_before_ns_ <= now_ns;) {
    Job& job = *entry->second;
    ++entry;  // Begin may end it
    if (!job.transfer && job.not_before_ns <= now_ns) Begin(job);
  }
}

void HttpClient::Begin(Job& job) {
  if (idle_.empty()) {
    absl::StatusOr<std::unique_ptr<HttpTransfer>> made = HttpTransfer::Create();
    if (!made.ok()) return Finish(job, made.status());
    idle_.push_back(*std::move(made));
  }
  job.transfer = std::move(idle_.back());
  idle_.pop_back();
  const bool own = job.url.HasOriginOf(job.own);
  const bool safe = job.url.is_encrypted() || job.url.is_loopback() || options_.tells_secrets;
  job.transfer->Begin(options_, job.request, job.url, own && safe);
  curl_easy_setopt(job.transfer->handle(), CURLOPT_PRIVATE, &job);
  if (curl_multi_add_handle(multi_.get(), job.transfer->handle()) != CURLM_OK) {
    return Finish(job, absl::InternalError("libcurl does not take a request"));
  }
  ++working_;
  // What begins has used up the rate for as long as it may take. (curl's own limit lets each
  // transfer of a few seconds pass.)
  if (options_.max_rate_bytes_per_second > 0 && job.request.range) {
    const double seconds = static_cast<double>(job.request.range->size_bytes) /
                           static_cast<double>(options_.max_rate_bytes_per_second);
    not_before_ns_ =
        std::max(not_before_ns_, NowNs()) + static_cast<int64_t>(seconds * 1000) * kNsPerMs;
  }
}

void HttpClient::Settle(Job& job, int curl_code) {
  const HttpJudgement judgement = job.transfer->End(static_cast<CURLcode>(curl_code));
  has_answered_ |= job.transfer->has_answer();
  switch (judgement.kind) {
    case HttpJudgement::Kind::kDone:
      return Finish(job, absl::OkStatus(), judgement.object_size_bytes);
    case HttpJudgement::Kind::kRedirect:
      return Redirect(job);
    case HttpJudgement::Kind::kRetry:
      return Retry(job, judgement);
    case HttpJudgement::Kind::kRefused:
      return Finish(job, judgement.status);
  }
}

void HttpClient::Redirect(Job& job) {
  if (++job.redirects > kMaxRedirects) {
    return Finish(job, absl::FailedPreconditionError(absl::StrCat(
                           "redirected more than ", kMaxRedirects, " times, or in a circle")));
  }
  absl::StatusOr<Url> to = ParseUrl(job.transfer->location());
  if (!to.ok()) return Finish(job, AddContext(to.status(), "redirected"));
  const absl::Status allowed = CheckRedirect(job.url, *to, options_.insecure);
  if (!allowed.ok()) return Finish(job, allowed);
  job.url = *std::move(to);
  idle_.push_back(std::move(job.transfer));
}

void HttpClient::Retry(Job& job, const HttpJudgement& judgement) {
  ++job.failures;
  const bool hopeless = !has_answered_ && job.failures >= kFirstAttempts;
  const std::optional<int64_t> delay_ms =
      hopeless ? std::nullopt : schedule_.DelayMs(job.failures, judgement.retry_after_ms);
  if (!delay_ms) {
    return Finish(job, AddContext(judgement.status,
                                  absl::StrCat("given up after ", job.failures, " attempts and ",
                                               schedule_.retries(), " retries in all")));
  }
  job.not_before_ns = NowNs() + *delay_ms * kNsPerMs;
  // Who asks one to wait means all.
  if (judgement.retry_after_ms) {
    not_before_ns_ = std::max(not_before_ns_, NowNs() + *judgement.retry_after_ms * kNsPerMs);
  }
  // A signature on the way may have expired: from the beginning.
  job.url = job.own;
  job.redirects = 0;
  idle_.push_back(std::move(job.transfer));
}

void HttpClient::Finish(Job& job, absl::Status status, uint64_t object_size_bytes) {
  HttpEnd end;
  end.id = job.id;
  end.object_size_bytes = object_size_bytes;
  if (status.ok()) {
    end.body = job.transfer->TakeBody();
    end.link = job.transfer->link();
  } else if (job.transfer) {
    end.body = job.transfer->TakeErrorBody();
  }
  const bool named = status.ok() || job.own.host.empty();
  end.status = named ? std::move(status) : AddContext(status, job.own.shown());
  if (job.transfer) idle_.push_back(std::move(job.transfer));
  ended_.push_back(std::move(end));
  jobs_.erase(job.id);
}

void HttpClient::CancelAll() {
  while (!jobs_.empty()) {
    Job& job = *jobs_.begin()->second;
    if (job.transfer) {
      curl_multi_remove_handle(multi_.get(), job.transfer->handle());
      --working_;
    }
    Finish(job, absl::CancelledError("cancelled"));
  }
}

}  // namespace ecf8
