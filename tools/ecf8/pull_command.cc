#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/remote/open_source.h"
#include "loader/remote/pull.h"
#include "rpc/client_credentials.h"
#include "rpc/daemon_source.h"
#include "rpc/grpc_log.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/progress.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

class PullCommand final : public Command {
 public:
  std::string_view name() const override { return "pull"; }
  std::string_view summary() const override {
    return "bring a compressed model from elsewhere, every byte checked";
  }

  void AddArguments(Arguments arguments) override {
    arguments
        .Add("SOURCE", source_,
             "https://HOST/DIRECTORY (a token: $ECF8_TOKEN), hf://ORGANISATION/MODEL[@REVISION] (a "
             "token: $HF_TOKEN), s3://BUCKET/PATH (a key: as AWS's tools find it) or "
             "ecf8://HOST:PORT/MODEL, of a daemon (a token: $ECF8_TOKEN)")
        .Required();
    arguments.Add("DIR", destination_, "the directory to make").Required();
    arguments.Add("--force", replace_, "replace DIR where it exists, when the new one is complete");
    arguments.Add("--digest", digest_, "refuse a model that has another one");
    HttpOptions& http = options_.http;
    arguments.Add("--connections", http.connections, "at a time").Range(1, kMaxConnections);
    arguments.AddSize("--max-rate", http.max_rate_bytes_per_second,
                      "bytes a second at most, of all connections together");
    arguments.Add("--retries", http.retry.budget, "failed requests in all until it gives up")
        .Range(0, 1'000'000);
    arguments.Add("--no-sign-request", no_sign_request_, "s3: of a bucket that is everybody's");
    arguments.Add("--insecure", http.insecure,
                  "plain http to another machine, too; ecf8: without TLS");
    arguments.Add("--tls-ca", http.ca_path,
                  "in PEM: who may have signed the server's certificate; default: whom the system "
                  "believes");
    arguments.Add("--tls-cert", client_.certificate_path,
                  "ecf8: in PEM, the certificate to show; default $ECF8_TLS_CERT, or else none");
    arguments.Add("--tls-key", client_.key_path, "ecf8: its key; default $ECF8_TLS_KEY");
  }

  absl::Status Run(const CommandContext& context) override {
    if (!digest_.empty() && !ParseHex64(digest_)) {
      return UsageError("--digest takes 16 hexadecimal digits");
    }
    constexpr uint64_t kLeastRate = 64 * 1024;
    uint64_t& rate = options_.http.max_rate_bytes_per_second;
    if (rate != 0 && rate < kLeastRate) return UsageError("--max-rate takes 64KiB or more");
    options_.http.cancel = context.cancel;
    auto source = OpenSource(context);
    if (absl::IsInvalidArgument(source.status())) {
      return UsageError(ToStd(source.status().message()));
    }
    ECF8_RETURN_IF_ERROR(source.status());
    ProgressReporter progress("pull");
    PullOptions options;
    options.replace = replace_;
    options.digest = digest_;
    options.cancel = context.cancel;
    options.progress = [&progress](const Progress& p) {
      progress.Update(p.done_bytes, p.total_bytes);
    };
    const auto result = PullModel(**source, destination_, options);
    progress.Finish();
    if (!result.ok()) return result.status();
    context.json ? PrintJson(ToJson(*result)) : PrintText(*result);
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::unique_ptr<ObjectSource>> OpenSource(const CommandContext& context) {
    const HttpOptions& http = options_.http;
    if (!IsDaemonSource(source_)) {
      options_.signs_requests = !no_sign_request_;
      if (const char* const token = std::getenv("ECF8_TOKEN")) options_.token = token;
      return OpenObjectSource(source_, options_);
    }
    ECF8_ASSIGN_OR_RETURN(const DaemonModelAddress from, ParseDaemonSource(source_, http.insecure));
    SilenceGrpcLog();
    client_.ca_path = http.ca_path;
    return OpenDaemonSource(from, {.credentials = client_.OrFromEnvironment(),
                                   .connections = http.connections,
                                   .max_rate_bytes_per_second = http.max_rate_bytes_per_second,
                                   .retry = http.retry,
                                   .stop = context.stop});
  }

  static nlohmann::ordered_json ToJson(const PullSummary& summary) {
    return {{"digest", summary.digest},
            {"units", summary.unit_count},
            {"bytes", summary.size_bytes},
            {"bytes_fetched", summary.fetched_bytes},
            {"bytes_resumed", summary.resumed_bytes},
            {"damaged_parts", summary.damaged_parts},
            {"retries", summary.retries},
            {"seconds", summary.seconds},
            {"gb_per_second", static_cast<double>(summary.fetched_bytes) / summary.seconds / 1e9}};
  }

  static void PrintText(const PullSummary& summary) {
    std::string text = absl::StrCat(summary.unit_count, " units, ", FormatBytes(summary.size_bytes),
                                    ", every checksum right, digest ", summary.digest, "; ",
                                    FormatBytes(summary.fetched_bytes), " fetched in ",
                                    FormatSeconds(summary.seconds), ", ",
                                    FormatRate(summary.fetched_bytes, summary.seconds));
    if (summary.resumed_bytes > 0) {
      absl::StrAppend(&text, ", ", FormatBytes(summary.resumed_bytes), " were there");
    }
    if (summary.damaged_parts > 0) {
      absl::StrAppend(&text, ", ", summary.damaged_parts, " came damaged and were fetched again");
    }
    if (summary.retries > 0) absl::StrAppend(&text, ", ", summary.retries, " retries");
    std::printf("%s\n", text.c_str());
  }

  std::string source_;
  std::string destination_;
  std::string digest_;
  bool replace_ = false;
  bool no_sign_request_ = false;
  SourceOptions options_;
  ClientCredentials client_;  // of ecf8://
};

}  // namespace

std::unique_ptr<Command> MakePullCommand() { return std::make_unique<PullCommand>(); }

}  // namespace ecf8
