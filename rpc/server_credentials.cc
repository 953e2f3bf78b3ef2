#include "rpc/server_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <utility>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/mutex.h"
#include "loader/base/strings.h"
#include "rpc/pem_files.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

struct Pems {
  PemPair own{};
  std::string client_ca{};

  bool operator==(const Pems&) const = default;
};

absl::StatusOr<Pems> ReadPems(const ServerTls& tls) {
  Pems pems;
  ECF8_ASSIGN_OR_RETURN(pems.own, ReadKeyPair(tls.certificate_path, tls.key_path));
  if (!tls.client_ca_path.empty()) {
    ECF8_ASSIGN_OR_RETURN(pems.client_ca, ReadCertificates(tls.client_ca_path));
  }
  return pems;
}

// What gRPC is given at the start, and whenever the files have become others that are good. Its own
// watcher takes whatever is there, so that half of a change closes the door, and an empty file ends
// the process. Thread-safe.
class PemSource {
 public:
  PemSource(ServerTls tls, Pems first) : tls_(std::move(tls)), given_(std::move(first)) {}

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    MutexLock lock(mutex_);
    if (has_given_ && !HasChanged()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    has_given_ = true;
    const grpc_ssl_pem_key_cert_pair pair = {given_.own.key.c_str(),
                                             given_.own.certificate.c_str()};
    // gRPC 1.51 wants one of clients, too, where it will not ask them for any.
    const std::string& client_ca =
        given_.client_ca.empty() ? given_.own.certificate : given_.client_ca;
    *config = grpc_ssl_server_certificate_config_create(client_ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // Looks, if it is time to.
  bool HasChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Clock::time_point now = Clock::now();
    if (now < look_after_) return false;
    look_after_ = now + tls_.refresh_interval;
    absl::StatusOr<Pems> found = ReadPems(tls_);
    std::string problem(found.ok() ? std::string_view() : ToStd(found.status().message()));
    if (problem != problem_ && !problem.empty()) {
      spdlog::error("the certificates before stay: {}", problem);
    }
    problem_ = std::move(problem);
    if (!found.ok() || *found == given_) return false;
    spdlog::info("the certificates were read again");
    given_ = *std::move(found);
    return true;
  }

  const ServerTls tls_;
  Mutex mutex_;
  Pems given_ ABSL_GUARDED_BY(mutex_);
  bool has_given_ ABSL_GUARDED_BY(mutex_) = false;
  std::string problem_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point look_after_ ABSL_GUARDED_BY(mutex_);
};

// gRPC calls it in handshakes, and does not say which is the last: they stay, one a server.
PemSource* Keep(std::unique_ptr<PemSource> source) {
  static Mutex* const mutex = new Mutex;
  static auto* const kept = new std::vector<std::unique_ptr<PemSource>>;
  MutexLock lock(*mutex);
  kept->push_back(std::move(source));
  return kept->back().get();
}

grpc_ssl_certificate_config_reload_status FetchFrom(void* source,
                                                    grpc_ssl_server_certificate_config** config) {
  return static_cast<PemSource*>(source)->Fetch(config);
}

// gRPC's C++ has no such credentials, its C has.
class ReloadedCredentials final : public grpc::ServerCredentials {
 public:
  ReloadedCredentials(grpc_ssl_client_certificate_request_type request, PemSource* source)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(request, FetchFrom,
                                                                            source))) {}
  ReloadedCredentials(const ReloadedCredentials&) = delete;
  ReloadedCredentials& operator=(const ReloadedCredentials&) = delete;
  ~ReloadedCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerTls& tls) {
  ECF8_ASSIGN_OR_RETURN(Pems first, ReadPems(tls));
  const auto request = tls.client_ca_path.empty()
                           ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                           : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  return std::make_shared<ReloadedCredentials>(
      request, Keep(std::make_unique<PemSource>(tls, std::move(first))));
}

}  // namespace ecf8
