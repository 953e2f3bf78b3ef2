// A model behind a server that speaks HTTP; how its files are found and named there is the
// layout's.
#ifndef ECF8_LOADER_REMOTE_HTTP_SOURCE_H_
#define ECF8_LOADER_REMOTE_HTTP_SOURCE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/remote/http_client.h"
#include "loader/remote/object_source.h"

namespace ecf8 {

// Thread-compatible.
class HttpLayout {
 public:
  HttpLayout() = default;
  HttpLayout(const HttpLayout&) = delete;
  HttpLayout& operator=(const HttpLayout&) = delete;
  virtual ~HttpLayout() = default;

  virtual std::string shown() const = 0;
  // As ObjectSource::ListShards. Nothing else is in flight.
  virtual absl::StatusOr<std::vector<std::string>> ListShards(HttpClient& client) = 0;
  // For a file of the model, without range and memory.
  virtual HttpRequest RequestFor(const std::string& path) const = 0;
};

class HttpSource final : public ObjectSource {
 public:
  HttpSource(std::unique_ptr<HttpClient> client, std::unique_ptr<HttpLayout> layout,
             size_t max_reads)
      : client_(std::move(client)), layout_(std::move(layout)), max_reads_(max_reads) {}

  std::string shown() const override { return layout_->shown(); }
  absl::StatusOr<std::vector<std::string>> ListShards() override {
    return layout_->ListShards(*client_);
  }
  uint64_t Start(ObjectRead read) override;
  size_t max_reads() const override { return max_reads_; }
  std::optional<ObjectReadEnd> Next() override;
  void DropReads() override { client_->DropAll(); }
  uint64_t in_flight_bytes() const override { return client_->in_flight_bytes(); }
  uint64_t retries() const override { return static_cast<uint64_t>(client_->retries()); }

 private:
  const std::unique_ptr<HttpClient> client_;
  const std::unique_ptr<HttpLayout> layout_;
  const size_t max_reads_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HTTP_SOURCE_H_
