#include "rpc/daemon_source.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/mutex.h"
#include "loader/base/strings.h"
#include "loader/base/thread.h"
#include "loader/checkpoint/weight_index.h"
#include "loader/serve/byte_rate.h"
#include "rpc/client.h"
#include "rpc/file_part.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kScheme = "ecf8://";
constexpr std::chrono::milliseconds kLongestWait(200);
// Of a daemon that has never answered: it is more likely that there is none.
constexpr int kFirstAttempts = 3;

// Parts are read by threads, each with a connection of its own: one TCP connection does not fill a
// fast link.
class DaemonSource final : public ObjectSource {
 public:
  DaemonSource(const DaemonModelAddress& from, const DaemonSourceOptions& options)
      : from_(from),
        options_(options),
        on_stop_(options.stop, [this] { stop_.request_stop(); }),
        schedule_(options.retry, std::random_device()()),
        rate_(options.max_rate_bytes_per_second) {}
  ~DaemonSource() override;

  std::string shown() const override {
    return absl::StrCat(ToAbsl(kScheme), from_.address.HostAndPort(), "/", from_.model);
  }
  absl::StatusOr<std::vector<std::string>> ListShards() override;
  uint64_t Start(ObjectRead read) override;
  size_t max_reads() const override { return static_cast<size_t>(options_.connections); }
  std::optional<ObjectReadEnd> Next() override;
  void DropReads() override;
  uint64_t in_flight_bytes() const override;
  uint64_t retries() const override;

 private:
  struct Job {
    uint64_t id = 0;
    ObjectRead read;
    std::atomic<uint64_t> received_bytes = 0;  // of the attempt
    std::stop_source stop{};                   // nobody wants it any more
    // With the lock.
    std::stop_source attempt{};
    bool is_stalled = false;  // the attempt
    uint64_t seen_bytes = 0;
    Clock::time_point moved_at = Clock::time_point::max();
  };
  using Jobs = std::map<uint64_t, std::shared_ptr<Job>>;

  void Work(int connection);
  std::shared_ptr<Job> TakeJob();
  absl::StatusOr<uint64_t> Read(Job& job, int connection, std::unique_ptr<WeightClient>& client);
  absl::Status ReadOnce(Job& job, WeightClient& client, uint64_t* file_size_bytes);
  absl::Status ReadPart(Job& job, WeightClient& client, const std::stop_token& stop,
                        uint64_t* file_size_bytes);
  void StopStalled(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WaitForRate(const Job& job);
  // Again and again, until it is OK or has failed for good.
  template <typename Attempt>
  absl::Status WithRetries(const std::stop_token& stop, const Attempt& attempt);
  absl::Status Connect(int connection, std::unique_ptr<WeightClient>& client);
  // CANCELLED where somebody has stopped that, or the source.
  absl::Status SleepUntil(Clock::time_point time, const std::stop_token& stop);
  absl::Status FindModel(WeightClient& client, std::string* first_shard);

  const DaemonModelAddress from_;
  const DaemonSourceOptions options_;
  std::stop_source stop_;  // of all there is
  const std::stop_callback<std::function<void()>> on_stop_;

  mutable Mutex mutex_;
  CondVar work_;   // there is a job, or no more will come
  CondVar ended_;  // a job has, or is to
  Jobs waiting_ ABSL_GUARDED_BY(mutex_);
  Jobs running_ ABSL_GUARDED_BY(mutex_);
  std::deque<ObjectReadEnd> ends_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_answered_ ABSL_GUARDED_BY(mutex_) = false;  // the daemon, once
  RetrySchedule schedule_ ABSL_GUARDED_BY(mutex_);
  ByteRate rate_ ABSL_GUARDED_BY(mutex_);
  std::string digest_ ABSL_GUARDED_BY(mutex_);  // of the weights that are being pulled
  uint64_t next_id_ = 1;
  std::vector<std::thread> threads_;
};

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status);
}

DaemonSource::~DaemonSource() {
  stop_.request_stop();
  DropReads();
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

absl::StatusOr<std::vector<std::string>> DaemonSource::ListShards() {
  std::unique_ptr<WeightClient> client;
  std::string first_shard;
  const auto find = [&] {
    ECF8_RETURN_IF_ERROR(Connect(/*connection=*/0, client));
    return FindModel(*client, &first_shard);
  };
  ECF8_RETURN_IF_ERROR(WithRetries(stop_.get_token(), find));
  return std::vector<std::string>{first_shard};
}

absl::Status DaemonSource::FindModel(WeightClient& client, std::string* first_shard) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<v1::Model> models,
                        client.ListModels({.deadline = Clock::now() + options_.stall_timeout}));
  for (const v1::Model& model : models) {
    if (model.name() != from_.model) continue;
    if (model.first_shard().empty()) {
      return absl::FailedPreconditionError("the daemon is too old to be pulled from");
    }
    if (!IsShardName(model.first_shard())) {
      return absl::DataLossError("the first shard's name is none");
    }
    *first_shard = model.first_shard();
    MutexLock lock(mutex_);
    digest_ = model.digest();
    return absl::OkStatus();
  }
  return absl::NotFoundError(
      absl::StrCat(Quoted(from_.address.ToString()), " serves no model ", Quoted(from_.model)));
}

uint64_t DaemonSource::Start(ObjectRead read) {
  auto job = std::make_shared<Job>();
  job->id = next_id_++;
  job->read = std::move(read);
  if (threads_.size() < max_reads()) {
    const int connection = static_cast<int>(threads_.size());
    absl::StatusOr<std::thread> thread =
        StartThread("no thread for a connection", [this, connection] { Work(connection); });
    if (thread.ok()) {
      threads_.push_back(*std::move(thread));
    } else if (threads_.empty()) {
      MutexLock lock(mutex_);
      ends_.push_back({.id = job->id, .status = thread.status()});
      return job->id;
    }
  }
  {
    MutexLock lock(mutex_);
    waiting_.emplace(job->id, job);
  }
  work_.NotifyOne();
  return job->id;
}

std::optional<ObjectReadEnd> DaemonSource::Next() {
  const Clock::time_point now = Clock::now();
  const Clock::time_point until = now + kLongestWait;
  MutexLock lock(mutex_);
  StopStalled(now);
  while (ends_.empty()) {
    if (waiting_.empty() && running_.empty()) return std::nullopt;
    if (!ended_.WaitUntil(lock, until)) return std::nullopt;
  }
  ObjectReadEnd end = std::move(ends_.front());
  ends_.pop_front();
  return end;
}

void DaemonSource::StopStalled(Clock::time_point now) {
  for (const auto& [id, job] : running_) {
    const uint64_t received_bytes = job->received_bytes.load();
    if (std::exchange(job->seen_bytes, received_bytes) != received_bytes) job->moved_at = now;
    if (job->moved_at > now || now - job->moved_at < options_.stall_timeout) continue;
    job->is_stalled = true;
    job->attempt.request_stop();
  }
}

void DaemonSource::DropReads() {
  MutexLock lock(mutex_);
  waiting_.clear();
  for (const auto& [id, job] : running_) {
    job->stop.request_stop();
    job->attempt.request_stop();
  }
  while (!running_.empty()) ended_.Wait(lock);
  ends_.clear();
}

uint64_t DaemonSource::in_flight_bytes() const {
  MutexLock lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [id, job] : running_) bytes += job->received_bytes.load();
  return bytes;
}

uint64_t DaemonSource::retries() const {
  MutexLock lock(mutex_);
  return static_cast<uint64_t>(schedule_.retries());
}

void DaemonSource::Work(int connection) {
  std::unique_ptr<WeightClient> client;
  while (const std::shared_ptr<Job> job = TakeJob()) {
    const absl::StatusOr<uint64_t> size = Read(*job, connection, client);
    MutexLock lock(mutex_);
    running_.erase(job->id);
    ends_.push_back({.id = job->id,
                     .status = AddContext(size.status(), Quoted(job->read.path)),
                     .object_size_bytes = size.value_or(0)});
    ended_.NotifyAll();
  }
}

// Null where no more will come.
std::shared_ptr<DaemonSource::Job> DaemonSource::TakeJob() {
  MutexLock lock(mutex_);
  while (waiting_.empty() && !closing_) work_.Wait(lock);
  if (waiting_.empty()) return nullptr;
  return running_.insert(waiting_.extract(waiting_.begin())).position->second;
}

absl::StatusOr<uint64_t> DaemonSource::Read(Job& job, int connection,
                                            std::unique_ptr<WeightClient>& client) {
  uint64_t file_size_bytes = 0;
  const auto read = [&] {
    ECF8_RETURN_IF_ERROR(WaitForRate(job));
    ECF8_RETURN_IF_ERROR(Connect(connection, client));
    const absl::Status status = ReadOnce(job, *client, &file_size_bytes);
    if (absl::IsDeadlineExceeded(status)) client.reset();  // the connection may be dead
    return status;
  };
  ECF8_RETURN_IF_ERROR(WithRetries(job.stop.get_token(), read));
  return file_size_bytes;
}

// DEADLINE_EXCEEDED where nothing has come for too long.
absl::Status DaemonSource::ReadOnce(Job& job, WeightClient& client, uint64_t* file_size_bytes) {
  std::stop_token stop;
  {
    MutexLock lock(mutex_);
    if (job.stop.stop_requested()) return absl::CancelledError("cancelled");
    job.attempt = std::stop_source();
    job.is_stalled = false;
    job.moved_at = Clock::now();
    stop = job.attempt.get_token();
  }
  const absl::Status status = ReadPart(job, client, stop, file_size_bytes);
  MutexLock lock(mutex_);
  job.moved_at = Clock::time_point::max();
  if (status.ok() || !job.is_stalled) return status;
  return absl::DeadlineExceededError(
      absl::StrCat("nothing has come for ", options_.stall_timeout.count(), " ms"));
}

// Headers and manifests may be larger than what one call brings.
absl::Status DaemonSource::ReadPart(Job& job, WeightClient& client, const std::stop_token& stop,
                                    uint64_t* file_size_bytes) {
  v1::ReadFileRequest request;
  request.set_model(from_.model);
  request.set_path(job.read.path);
  {
    MutexLock lock(mutex_);
    request.set_digest(digest_);
  }
  for (absl::Span<uint8_t> left = job.read.out; !left.empty();) {
    const absl::Span<uint8_t> part = left.first(std::min(left.size(), kMaxFilePartBytes));
    request.set_offset_bytes(job.read.offset_bytes + (job.read.out.size() - left.size()));
    request.set_size_bytes(part.size());
    ECF8_ASSIGN_OR_RETURN(*file_size_bytes,
                          client.ReadFile(request, part, job.received_bytes, {.stop = stop}));
    left.remove_prefix(part.size());
  }
  return absl::OkStatus();
}

absl::Status DaemonSource::WaitForRate(const Job& job) {
  int64_t begin_ns = 0;
  {
    MutexLock lock(mutex_);
    const int64_t now_ns = NowNs();
    begin_ns = std::max(now_ns, rate_.free_at_ns());
    rate_.Take(job.read.out.size(), now_ns);
  }
  return SleepUntil(Clock::time_point(std::chrono::nanoseconds(begin_ns)), job.stop.get_token());
}

template <typename Attempt>
absl::Status DaemonSource::WithRetries(const std::stop_token& stop, const Attempt& attempt) {
  for (int failures = 1;; ++failures) {
    const absl::Status status = attempt();
    std::optional<int64_t> delay_ms;
    {
      MutexLock lock(mutex_);
      has_answered_ = has_answered_ || !absl::IsUnavailable(status);
      if (!MayPass(status)) return status;
      if (has_answered_ || failures < kFirstAttempts) {
        delay_ms = schedule_.DelayMs(failures, std::nullopt);
      }
    }
    if (!delay_ms) {
      return AddContext(status, absl::StrCat("given up after ", failures, " attempts"));
    }
    ECF8_RETURN_IF_ERROR(SleepUntil(Clock::now() + std::chrono::milliseconds(*delay_ms), stop));
  }
}

absl::Status DaemonSource::Connect(int connection, std::unique_ptr<WeightClient>& client) {
  if (client != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<WeightClient>> connected = WeightClient::Connect(
      from_.address, options_.connect_timeout, stop_.get_token(), options_.credentials, connection);
  if (absl::IsUnavailable(connected.status()) && !from_.address.tls) {
    return absl::UnavailableError("no daemon answers at " + from_.address.ToString());
  }
  ECF8_ASSIGN_OR_RETURN(client, std::move(connected));
  return absl::OkStatus();
}

absl::Status DaemonSource::SleepUntil(Clock::time_point time, const std::stop_token& stop) {
  while (!stop.stop_requested() && !stop_.stop_requested()) {
    const Clock::time_point now = Clock::now();
    if (now >= time) return absl::OkStatus();
    std::this_thread::sleep_for(std::min<Clock::duration>(time - now, kLongestWait));
  }
  return absl::CancelledError("cancelled");
}

}  // namespace

bool IsDaemonSource(std::string_view source) { return source.substr(0, kScheme.size()) == kScheme; }

absl::StatusOr<DaemonModelAddress> ParseDaemonSource(std::string_view source, bool insecure) {
  const std::string_view place = source.substr(kScheme.size());
  const size_t slash = place.find('/');
  const std::string_view model = slash == std::string_view::npos ? "" : place.substr(slash + 1);
  if (model.empty() || model.find('/') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(source), " is no source: ecf8://HOST:PORT/MODEL"));
  }
  absl::StatusOr<Address> address =
      ParseAddress(absl::StrCat(insecure ? "" : "tls:", ToAbsl(place.substr(0, slash))));
  if (!address.ok() || address->is_unix()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(source), " is no source: ecf8://HOST:PORT/MODEL"));
  }
  return DaemonModelAddress{.address = *std::move(address), .model = std::string(model)};
}

absl::StatusOr<std::unique_ptr<ObjectSource>> OpenDaemonSource(const DaemonModelAddress& from,
                                                               const DaemonSourceOptions& options) {
  return std::make_unique<DaemonSource>(from, options);
}

}  // namespace ecf8
